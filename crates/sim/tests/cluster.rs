//! The simulator itself: a seed is the same run every time, the shipped code passes, and a broken build does not.
//! `scripts/sim` plays many more seeds, and every broken build.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sapwood_sim::cluster::mutant::Mutant;
use sapwood_sim::cluster::run;

#[test]
fn a_seed_is_the_same_run_every_time() {
    let (first, second) = (run(7, None, true), run(7, None, true));
    assert!(first.story.len() > 100, "{}", first.story.len());
    assert_eq!(first.story, second.story);
    assert_ne!(first.story, run(8, None, true).story);
}

#[test]
fn nothing_is_lost_or_doubled_in_the_first_seeds_and_they_are_hard_enough() {
    let mut crashes = 0;
    let mut alerts = 0;
    for seed in 0..40 {
        let verdict = run(seed, None, false);
        assert_eq!(verdict.violations, Vec::<String>::new(), "seed {seed}");
        assert!(verdict.records > 0 && verdict.acknowledged > 0, "seed {seed}");
        crashes += verdict.crashes;
        alerts += verdict.alerts;
    }
    assert!(crashes > 40 && alerts > 40, "{crashes} crashes, {alerts} alerts");
}

#[test]
fn an_alarm_whose_setting_a_crash_undid_takes_no_other_with_it() {
    // Each was found with an alarm deleted that was still wanted, or one that went off again and again for nothing.
    for seed in [1483, 2038, 3475, 4572, 8987] {
        assert_eq!(run(seed, None, false).violations, Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn an_answer_that_leaves_before_its_commit_is_caught() {
    let caught =
        (0..40).find_map(|seed| run(seed, Some(Mutant::AnswerBeforeCommit), false).violations.first().cloned());
    assert!(caught.unwrap().contains("acknowledged"));
}
