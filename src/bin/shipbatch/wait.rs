//! Lengths of time, as they are typed: `90s`, `10m`, `1h`, `1h30m`.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads a length of time above zero.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let time: SignedDuration = text.parse().map_err(|_| "not a time such as 90s, 10m or 1h".to_owned())?;
    Duration::try_from(time).ok().filter(|time| !time.is_zero()).ok_or_else(|| "not above zero".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_spellings_are_read() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h", 3600), ("1h30m", 5400)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_ahead_is_refused() {
        for text in ["", "10", "m", "ten minutes", "0s", "-5m", "5m ago"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
