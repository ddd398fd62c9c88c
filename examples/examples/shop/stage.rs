//! Handlers run side by side. What they say is collected here and shown in order, so that every
//! run of the example looks the same.

use std::{fmt::Display, time::Duration};

use tokio::{sync::watch, time::timeout};

/// How long a scene may take.
const SCENE_MAX: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Default)]
pub struct Stage {
    lines: watch::Sender<Vec<String>>,
}

impl Stage {
    /// Says something about what a handler does.
    pub fn say(&self, who: &str, what: impl Display) {
        self.lines.send_modify(|lines| lines.push(format!("  {who:<14} {what}")));
    }

    /// Waits until `count` things have been said, and shows them under a title.
    pub async fn show(&self, title: &str, count: usize) {
        let mut said = self.lines.subscribe();
        let all = said.wait_for(|lines| count <= lines.len());
        let in_time = timeout(SCENE_MAX, all).await.is_ok();
        println!("\n{title}{}", if in_time { "" } else { " (not all of it was done in time)" });
        let mut lines = self.lines.send_replace(Vec::new());
        lines.sort();
        for line in lines {
            println!("{line}");
        }
    }
}
