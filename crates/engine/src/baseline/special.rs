//! Logarithm, exponential and log-gamma from additions and multiplications only.
//!
//! The platform's own differ between targets in the last digits, and a decision must not. Accuracy is a few units in
//! the fifteenth digit, far more than a probability needs. Every function is total: arguments without an answer give
//! an infinity, never a panic.

const LN_2: f64 = core::f64::consts::LN_2;

/// Natural logarithm; minus infinity at and below zero.
pub fn ln(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if x == f64::INFINITY {
        return x;
    }
    // Subnormal numbers are lifted first, so that the exponent field means what it says.
    let (x, lifted) = if x < f64::MIN_POSITIVE { (x * 18_014_398_509_481_984.0, 54) } else { (x, 0) };
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i32 - 1023 - lifted;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if mantissa > core::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2 atanh((m - 1) / (m + 1)), whose argument is at most 0.172: twelve terms are enough.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut sum = 0.0;
    for odd in (0..12).rev() {
        sum = sum * square + 1.0 / f64::from(2 * odd + 1);
    }
    f64::from(exponent) * LN_2 + 2.0 * ratio * sum
}

/// Exponential: 0 below -700 and infinite above 700, where nothing of ours has to tell apart.
pub fn exp(x: f64) -> f64 {
    if x.is_nan() || x < -700.0 {
        return 0.0;
    }
    if x > 700.0 {
        return f64::INFINITY;
    }
    let power = (x / LN_2).round();
    let rest = x - power * LN_2;
    // |rest| <= ln 2 / 2: fourteen terms of the series are below one unit in the last digit.
    let mut sum = 1.0;
    for term in (1..=14).rev() {
        sum = 1.0 + sum * rest / f64::from(term);
    }
    let scale = f64::from_bits(((power as i64 + 1023) as u64) << 52);
    sum * scale
}

/// Logarithm of the gamma function for positive arguments; infinite elsewhere.
pub fn ln_gamma(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return f64::INFINITY;
    }
    // Stirling's series is exact enough from 10 on; smaller arguments climb there by Γ(x+1) = xΓ(x).
    let (mut at, mut product) = (x, 1.0);
    while at < 10.0 {
        product *= at;
        at += 1.0;
    }
    let inverse = 1.0 / at;
    let square = inverse * inverse;
    let series = inverse
        * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0))));
    (at - 0.5) * ln(at) - at + 0.918_938_533_204_672_8 + series - ln(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(seen: f64, wanted: f64) {
        assert!((seen - wanted).abs() <= 1e-12 * wanted.abs().max(1.0), "{seen} is not {wanted}");
    }

    #[test]
    fn logarithm_and_exponential_are_those_of_the_tables() {
        near(ln(1.0), 0.0);
        near(ln(2.0), core::f64::consts::LN_2);
        near(ln(10.0), core::f64::consts::LN_10);
        near(ln(5e-324), -744.440_071_921_381_3);
        near(exp(1.0), core::f64::consts::E);
        near(exp(-20.0), 2.061_153_622_438_558e-9);
        for i in 1..2_000 {
            let x = f64::from(i) * 0.37;
            near(exp(ln(x)), x);
        }
    }

    #[test]
    fn arguments_without_an_answer_have_a_stated_one() {
        assert_eq!(ln(0.0), f64::NEG_INFINITY);
        assert_eq!(ln(-1.0), f64::NEG_INFINITY);
        assert_eq!(ln(f64::NAN), f64::NEG_INFINITY);
        assert_eq!(ln(f64::INFINITY), f64::INFINITY);
        assert_eq!(exp(-1e9), 0.0);
        assert_eq!(exp(1e9), f64::INFINITY);
        assert_eq!(ln_gamma(0.0), f64::INFINITY);
        assert_eq!(ln_gamma(-3.5), f64::INFINITY);
    }

    #[test]
    fn log_gamma_is_the_factorial_and_the_root_of_pi() {
        let mut factorial = 0.0;
        for n in 1..=60u32 {
            near(ln_gamma(f64::from(n)), factorial);
            factorial += ln(f64::from(n));
        }
        near(ln_gamma(0.5), 0.572_364_942_924_700_1);
        near(ln_gamma(1e6), 12_815_504.569_147_77);
    }
}
