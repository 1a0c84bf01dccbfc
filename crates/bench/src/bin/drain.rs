//! Lines per second of the Drain port, on the mix that the engine's `mine_speed` takes: `sapwood-drain LINES FILE...`;
//! with `--masked` before LINES, numbers are masked first.

use sapwood_bench::drain::Drain;
use std::time::Instant;

#[allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench has a clock and says what it found")]
fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let masks = arguments.next_if(|argument| argument == "--masked").is_some();
    let lines: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let texts: Vec<String> = arguments.map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect();
    let files: Vec<Vec<&str>> = texts.iter().map(|text| text.lines().map(str::trim).collect()).collect();
    let longest = files.iter().map(Vec::len).max().unwrap_or(0);
    let mix: Vec<&str> =
        (0..longest).flat_map(|position| files.iter().filter_map(move |file| file.get(position).copied())).collect();
    let mut drain = Drain::new(masks);
    let begun = Instant::now();
    for line in mix.iter().cycle().take(lines) {
        drain.observe(line);
    }
    let spent = begun.elapsed().as_secs_f64();
    println!("{lines} lines, {} groups: {:.0} lines/s", drain.groups().len(), lines as f64 / spent);
}
