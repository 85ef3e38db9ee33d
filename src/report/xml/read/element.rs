//! The attributes of an element.

use std::borrow::Cow;
use std::str::FromStr;

use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;
use quick_xml::events::attributes::Attribute;

/// The attributes of an element, looked up by name.
pub(super) struct Attributes<'a>(&'a BytesStart<'a>);

impl<'a> Attributes<'a> {
    pub(super) fn of(element: &'a BytesStart<'a>) -> Self {
        Self(element)
    }

    /// The value of an attribute, its references resolved: those to characters and the five that XML knows. Others are an error.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, String> {
        let Some(attribute) = self.find(name)? else { return Ok(None) };
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| format!("attribute {name}: {error}"))?;
        Ok(Some(value.into_owned()))
    }

    /// The value of an attribute that is nearly always one of a few words, which need no memory.
    pub(super) fn word(&self, name: &str) -> Result<Option<Cow<'static, str>>, String> {
        let Some(attribute) = self.find(name)? else { return Ok(None) };
        match WORDS.iter().find(|word| **word == attribute.value) {
            Some(word) => Ok(Some(Cow::Borrowed(word))),
            None => Ok(self.text(name)?.map(Cow::Owned)),
        }
    }

    /// The value of an attribute that has to be there.
    pub(super) fn needed(&self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| format!("<{}> has no {name}", self.0.name().as_ref()))
    }

    /// The value of an attribute that is a number.
    pub(super) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, String> {
        let Some(attribute) = self.find(name)? else { return Ok(None) };
        let value = &attribute.value;
        value.parse().map(Some).map_err(|_| format!("{name} is '{value}', which is no number that can stand there"))
    }

    fn find(&self, name: &str) -> Result<Option<Attribute<'a>>, String> {
        self.0.try_get_attribute(name).map_err(|error| error.to_string())
    }
}

/// What is said of ports most often.
const WORDS: [&str; 8] = ["tcp", "open", "syn-ack", "closed", "reset", "filtered", "no-response", "conn-refused"];
