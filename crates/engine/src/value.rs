//! Typed, nested attribute values, independent of any wire format.

/// One attribute value. Maps keep the order in which keys were sent; a key sent twice keeps its last value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON null.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// Any other number; never NaN or infinite.
    Float(f64),
    /// Text.
    Text(String),
    /// An ordered list.
    List(Vec<Value>),
    /// Named values.
    Map(Fields),
}

/// Named values in the order sent.
pub type Fields = Vec<(String, Value)>;

impl Value {
    /// The text, if this is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number as a float, if this is a number.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }
}

/// The value of `key` in `fields`, if it is there.
pub fn field<'a>(fields: &'a [(String, Value)], key: &str) -> Option<&'a Value> {
    fields.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
}
