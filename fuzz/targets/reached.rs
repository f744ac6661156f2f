//! Counts what the inputs reach, so that a target that only fuzzes its own front door shows it.
//! `scripts/fuzz` repeats the last line that is printed here.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

const RUNS_BETWEEN_LINES: u64 = 1 << 12;

static REACHED: Mutex<Reached> = Mutex::new(Reached {
    runs: 0,
    times: BTreeMap::new(),
});

struct Reached {
    runs: u64,
    times: BTreeMap<String, u64>,
}

/// One more input; `reached` is what it got to, if anything.
pub fn count(reached: &[&str]) {
    let mut all = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
    all.runs += 1;
    for &what in reached {
        match all.times.get_mut(what) {
            Some(times) => *times += 1,
            None => _ = all.times.insert(what.to_owned(), 1),
        }
    }
    if all.runs % RUNS_BETWEEN_LINES == 0 {
        let share = |(what, times): (&String, &u64)| format!("{what} {:.1} %", *times as f64 * 100.0 / all.runs as f64);
        let shares: Vec<String> = all.times.iter().map(share).collect();
        eprintln!("reached: {}", shares.join(", "));
    }
}
