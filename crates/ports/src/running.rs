//! Programs that end with whoever started them.

use std::ops::{Deref, DerefMut};
use std::process::Child;

/// A program that is killed when this is dropped, whatever becomes of the test that started it.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Kills it now.
    pub fn stop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl From<Child> for Running {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::{Command, Stdio};

    #[test]
    fn a_program_ends_when_it_is_dropped() {
        let child = Command::new("sleep").arg("600").stdout(Stdio::piped()).spawn().expect("sleep");
        let mut running = Running::from(child);
        let mut out = running.stdout.take().expect("its output");
        drop(running);
        // Its end closes the pipe.
        assert_eq!(out.read(&mut [0]).expect("an end"), 0);
    }
}
