//! A gzip stream that is small on the wire and large in memory.

/// A gzip stream of at least `size` zero octets, about 160 times smaller on the wire. Its end is
/// missing: who reads so far has read too much.
///
/// RFC 1952, section 2.3, around one block of fixed Huffman codes (RFC 1951, section 3.2.6): a literal
/// zero, then copies of 258 octets from one octet back.
#[must_use]
pub fn bomb(size: usize) -> Vec<u8> {
    let mut bits = Bits { bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff], free: 0 };
    bits.push(&[true, true, false]); // the last block; fixed codes (01, least bit first)
    bits.push(&[false, false, true, true, false, false, false, false]); // the literal 0
    for _ in 0..size / 258 + 1 {
        // Length 258 is code 285: 11000101; distance 1 is code 0: 00000.
        bits.push(&[true, true, false, false, false, true, false, true]);
        bits.push(&[false; 5]);
    }
    bits.bytes
}

struct Bits {
    bytes: Vec<u8>,
    /// How many bits of the last byte are free.
    free: u8,
}

impl Bits {
    fn push(&mut self, bits: &[bool]) {
        for bit in bits {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            if let (true, Some(last)) = (*bit, self.bytes.last_mut()) {
                *last |= 1 << (8 - self.free);
            }
            self.free -= 1;
        }
    }
}
