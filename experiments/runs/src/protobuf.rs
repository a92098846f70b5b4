//! Messages of Protocol Buffers, as far as they are written here: TensorBoard's events and ONNX's models.
//! <https://protobuf.dev/programming-guides/encoding>

/// A message: its fields one after the other, each with its number.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// A message without a field.
    pub fn new() -> Self {
        Self::default()
    }

    /// With an `int32`, an `int64` or a value of an enumeration.
    #[must_use]
    pub fn int(mut self, field: u32, number: i64) -> Self {
        self.key(field, 0);
        self.varint(number as u64);
        self
    }

    /// With a `double`.
    #[must_use]
    pub fn double(mut self, field: u32, number: f64) -> Self {
        self.key(field, 1);
        self.0.extend(number.to_le_bytes());
        self
    }

    /// With bytes, or another message as its bytes.
    #[must_use]
    pub fn bytes(mut self, field: u32, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// With the same field for each of these.
    #[must_use]
    pub fn each(self, field: u32, all: impl IntoIterator<Item: AsRef<[u8]>>) -> Self {
        all.into_iter().fold(self, |message, bytes| message.bytes(field, bytes))
    }

    /// With a `float`.
    #[must_use]
    pub fn float(mut self, field: u32, number: f32) -> Self {
        self.key(field, 5);
        self.0.extend(number.to_le_bytes());
        self
    }

    /// Its bytes.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    /// Seven bits to a byte, the lowest first; all but the last byte have their highest bit set.
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    /// The examples of the specification: 150, "testing", and a message within a message; −1 has ten bytes.
    #[test]
    fn fields_are_those_of_the_specification() {
        let inner = Message::new().int(1, 150);
        assert_eq!(inner.as_ref(), [0x08, 0x96, 0x01]);
        assert_eq!(
            Message::new().bytes(2, "testing").finish(),
            [0x12, 7, b't', b'e', b's', b't', b'i', b'n', b'g']
        );
        assert_eq!(Message::new().bytes(3, &inner).finish(), [0x1a, 3, 0x08, 0x96, 0x01]);
        let negative = Message::new().int(1, -1).finish();
        assert_eq!(negative, [[0x08].as_slice(), &[0xff; 9], &[0x01]].concat());
        assert_eq!(Message::new().float(20, 1.0).finish(), [0xa5, 0x01, 0, 0, 0x80, 0x3f]);
    }
}
