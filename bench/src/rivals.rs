//! Choosing among rivals and rows by name.

/// A list of names from the command line; an empty one means all.
pub trait Choice {
    fn wants(&self, name: &str) -> bool;

    /// The first name that is not among `known`.
    fn unknown<'a>(&'a self, known: &[String]) -> Option<&'a str>;
}

impl Choice for Vec<String> {
    fn wants(&self, name: &str) -> bool {
        self.is_empty() || self.iter().any(|wanted| wanted == name)
    }

    fn unknown<'a>(&'a self, known: &[String]) -> Option<&'a str> {
        self.iter().find(|name| !known.contains(name)).map(String::as_str)
    }
}
