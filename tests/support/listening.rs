//! The lines that a run tells.

use std::sync::{Arc, Mutex};

use kubegrader::step::Steps;

/// What takes a run's lines, and where they go, one after another.
pub fn listening() -> (Steps, Arc<Mutex<String>>) {
    let lines = Arc::<Mutex<String>>::default();
    let told = Arc::clone(&lines);
    let steps = Steps::new(move |_, line: String| {
        let mut told = told.lock().unwrap();
        told.push_str(&line);
        told.push('\n');
    });
    (steps, lines)
}
