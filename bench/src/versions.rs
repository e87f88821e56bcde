//! What was measured, and on what: one line for the head of the output.

/// The versions that this program was built with.
const LOCK: &str = include_str!("../Cargo.lock");

/// The crates whose version matters to the figures.
const MEASURED: &[&str] = &[
    "coracle",
    "tokio",
    "smol",
    "async-executor",
    "async-io",
    "async-channel",
    "monoio",
    "local-sync",
    "compio",
    "futures",
    #[cfg(feature = "glommio")]
    "glommio",
    "kanal",
    "async-unsync",
];

pub fn describe() -> String {
    let versions = MEASURED.iter().filter_map(|name| Some(format!("{name} {}", version(LOCK, name)?)));
    let versions = versions.collect::<Vec<_>>().join(", ");
    format!("{versions}; Linux {}; {}", kernel(), processor())
}

/// The version that a lock file has of a crate.
fn version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let heading = format!("\nname = \"{name}\"\nversion = \"");
    let (_, rest) = lock.split_once(&heading)?;
    rest.split('"').next()
}

fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.split('-').next().unwrap_or_default().trim().to_string()
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("model name")).collect();
    let model = models.first().map_or("unknown CPU", |model| model.trim_start_matches([' ', '\t', ':']));
    format!("{} × {model}", models.len())
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_version_is_found_by_the_whole_name() {
        let lock = "\n[[package]]\nname = \"smol-str\"\nversion = \"9\"\n\n[[package]]\nname = \"smol\"\nversion = \"2.0.2\"\n";
        assert_eq!(version(lock, "smol"), Some("2.0.2"));
        assert_eq!(version(lock, "tokio"), None);
    }
}
