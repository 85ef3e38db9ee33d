//! Which formats there are, and how an output is asked for.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Csv, Fields, Grepable, Json, List, Markdown, Report, Style, Text, Xml};
use crate::error::{Error, Result};

/// A format of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
    /// masscan's list: `open tcp 80 10.0.0.1 1390380064`.
    List,
    /// nmap's grepable lines.
    Grepable,
    /// nmap's XML.
    Xml,
    /// A row per port, with a header.
    Csv,
    /// Tables for a report.
    Markdown,
    /// A scan more in a database.
    Sqlite,
}

/// How the file of a format comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// It is valid after each record.
    ByRecord,
    /// It is valid when it is complete.
    Whole,
    /// It is a database, which scans are added to.
    Database,
}

/// How results are to look, where a format leaves that open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Of text.
    pub style: Style,
    /// Of csv.
    pub fields: Fields,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 8] = [Self::Text, Self::Json, Self::Xml, Self::Grepable, Self::Csv, Self::List, Self::Markdown, Self::Sqlite];

    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::List => "list",
            Self::Grepable => "grepable",
            Self::Xml => "xml",
            Self::Csv => "csv",
            Self::Markdown => "markdown",
            Self::Sqlite => "sqlite",
        }
    }

    /// How its file comes to be.
    pub const fn growth(self) -> Growth {
        match self {
            Self::Json | Self::List | Self::Csv => Growth::ByRecord,
            Self::Text | Self::Grepable | Self::Xml | Self::Markdown => Growth::Whole,
            Self::Sqlite => Growth::Database,
        }
    }

    /// A writer of this format to a stream; `None` for a database, which is none: see [`Sqlite`](super::Sqlite).
    pub fn report(self, out: Box<dyn Write + Send>, look: &Look) -> Option<Box<dyn Report>> {
        Some(match self {
            Self::Text => Box::new(Text::new(out, look.style)),
            Self::Json => Box::new(Json::new(out)),
            Self::List => Box::new(List::new(out)),
            Self::Grepable => Box::new(Grepable::new(out)),
            Self::Xml => Box::new(Xml::new(out)),
            Self::Csv => Box::new(Csv::new(out, look.fields.clone())),
            Self::Markdown => Box::new(Markdown::new(out)),
            Self::Sqlite => return None,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        if let Some(format) = Self::ALL.into_iter().find(|format| format.as_str() == word) {
            return Ok(format);
        }
        let error = Error::asked("read output format", format!("'{word}'"), format!("there is {}", Self::ALL.map(Self::as_str).join(", ")));
        Err(match word {
            "ndjson" | "jsonl" => error.hint("json is one object per line"),
            "normal" => error.hint("it is called text"),
            "gnmap" => error.hint("it is called grepable"),
            "md" => error.hint("it is called markdown"),
            "db" | "sqlite3" => error.hint("it is called sqlite"),
            _ => error,
        })
    }
}

/// Where an output goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// One output as asked for: `json:scan.json`; the path `-` is standard output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutputSpec {
    /// How it is written.
    pub format: Format,
    /// Where to.
    pub destination: Destination,
}

impl FromStr for OutputSpec {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let (format, path) = word.split_once(':').unwrap_or((word, ""));
        let format = format.parse::<Format>()?;
        let destination = match path {
            "" => {
                let hint = format!("{format}:FILE, or {format}:- for standard output");
                return Err(Error::asked("read output", format!("'{word}'"), "no file after the format").hint(hint));
            }
            "-" if format.growth() == Growth::Database => {
                return Err(Error::asked("read output", format!("'{word}'"), "a database is a file").hint(format!("{format}:FILE")));
            }
            "-" => Destination::Stdout,
            path => Destination::File(PathBuf::from(path)),
        };
        Ok(Self { format, destination })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_a_format_and_a_path() {
        let spec: OutputSpec = "json:a:b".parse().unwrap();
        assert_eq!(spec, OutputSpec { format: Format::Json, destination: Destination::File(PathBuf::from("a:b")) });
        assert_eq!("text:-".parse::<OutputSpec>().unwrap().destination, Destination::Stdout);
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        }
    }

    #[test]
    fn a_wrong_output_names_the_formats_there_are() {
        let text = |word: &str| word.parse::<OutputSpec>().unwrap_err().to_string();
        assert_eq!(text("yaml:x"), "read output format 'yaml': there is text, json, xml, grepable, csv, list, markdown, sqlite");
        assert!(text("gnmap:x").ends_with("(it is called grepable)"), "{}", text("gnmap:x"));
        assert_eq!(text("sqlite:-"), "read output 'sqlite:-': a database is a file (sqlite:FILE)");
        assert_eq!(text("json"), "read output 'json': no file after the format (json:FILE, or json:- for standard output)");
        assert_eq!(text("json:"), "read output 'json:': no file after the format (json:FILE, or json:- for standard output)");
    }
}
