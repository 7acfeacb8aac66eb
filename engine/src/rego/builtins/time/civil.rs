//! Days and hours in UTC, by the Gregorian calendar.

/// Nanoseconds.
pub(super) const SECOND: i128 = 1_000_000_000;
/// Nanoseconds.
pub(super) const DAY: i128 = 86_400 * SECOND;

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A time as people write it.
pub(super) struct Civil {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: i64,
    /// From 1.
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) nanosecond: i64,
    /// Days since 1970.
    days: i64,
}

impl Civil {
    /// Of nanoseconds since 1970.
    pub(super) fn new(time: i64) -> Self {
        const NANOS: i64 = 1_000_000_000;
        let (seconds, nanosecond) = (time.div_euclid(NANOS), time.rem_euclid(NANOS));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Years that begin in March, in eras of 400 years: the leap day is the last one of its year.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: second / 3_600,
            minute: second / 60 % 60,
            second: second % 60,
            nanosecond,
            days,
        }
    }

    pub(super) fn weekday(&self) -> &'static str {
        // 1 January 1970 was a Thursday.
        usize::try_from((self.days + 4).rem_euclid(7))
            .ok()
            .and_then(|place| WEEKDAYS.get(place))
            .unwrap_or(&"")
    }

    /// From 1.
    pub(super) fn day_of_year(&self) -> i64 {
        (1..self.month).map(|month| days_in(self.year, month)).sum::<i64>() + self.day
    }
}

/// Days since 1970. Months and days may be out of range.
pub(super) fn days(year: i128, month: i128, day: i128) -> i128 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468 + day - 1
}

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
