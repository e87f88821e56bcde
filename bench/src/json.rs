//! Writing JSON, and no more of it than `--json` needs: no reading, no derive.

use std::fmt;

use crate::stats::Spread;

#[derive(Clone)]
pub enum Json {
    Null,
    Number(f64),
    Text(String),
    List(Vec<Json>),
    /// In the order of writing.
    Object(Vec<(&'static str, Json)>),
}

impl From<f64> for Json {
    fn from(number: f64) -> Json {
        Json::Number(number)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_string())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Json {
        value.map_or(Json::Null, Into::into)
    }
}

impl From<Spread> for Json {
    fn from(spread: Spread) -> Json {
        Json::Object(vec![
            ("median", spread.median.into()),
            ("quartile_1", spread.low.into()),
            ("quartile_3", spread.high.into()),
        ])
    }
}

impl<T: Into<Json>> FromIterator<T> for Json {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Json {
        Json::List(items.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Json::Null => write!(f, "null"),
            Json::Number(number) if number.is_finite() => write!(f, "{number}"),
            Json::Number(_) => write!(f, "null"),
            Json::Text(text) => write_text(f, text),
            Json::List(items) => {
                write!(f, "[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { "," })?;
                }
                write!(f, "]")
            }
            Json::Object(fields) => {
                write!(f, "{{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}\"{name}\":{value}", if index == 0 { "" } else { "," })?;
                }
                write!(f, "}}")
            }
        }
    }
}

fn write_text(f: &mut fmt::Formatter, text: &str) -> fmt::Result {
    write!(f, "\"")?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(f, "\\{character}")?,
            control if control < ' ' => write!(f, "\\u{:04x}", control as u32)?,
            other => write!(f, "{other}")?,
        }
    }
    write!(f, "\"")
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn text_is_escaped_and_what_is_no_number_is_null() {
        let json = Json::Object(vec![
            ("text", Json::from("a \"b\" \\ \n é")),
            ("list", Json::List(vec![Json::Number(1.5), Json::Number(f64::NAN), Json::from(None::<f64>)])),
        ]);
        assert_eq!(json.to_string(), r#"{"text":"a \"b\" \\ \u000a é","list":[1.5,null,null]}"#);
    }
}
