//! As much DER as an RSA public key needs: how many bits, and whether it is one at all.
//!
//! Both shapes are in use under `p=`: SubjectPublicKeyInfo (what everybody publishes) and a bare
//! RSAPublicKey (what RFC 6376, section 3.6.1, describes).

use crate::text::{Text, both};

/// The modulus' length in bits, or why it is no RSA public key.
pub(super) fn rsa_bits(key: &[u8]) -> Result<usize, Text> {
    let (outer, rest) = element(key, SEQUENCE)?;
    if !rest.is_empty() {
        return Err(both!("octets follow the key", "des octets suivent la clé"));
    }
    match element(outer, SEQUENCE) {
        Ok((algorithm, after)) => {
            let (oid, _) = element(algorithm, OBJECT_ID)?;
            if oid != RSA_ENCRYPTION {
                return Err(both!(
                    "it is a key of another kind than RSA",
                    "c'est une clé d'une autre sorte que RSA"
                ));
            }
            let (bits, _) = element(after, BIT_STRING)?;
            // The first octet of a bit string counts its unused bits: none in a key.
            let inner = bits.strip_prefix(&[0]).ok_or_else(cut_short)?;
            element(inner, SEQUENCE).and_then(|(numbers, _)| modulus_bits(numbers))
        }
        Err(_) => modulus_bits(outer),
    }
}

fn modulus_bits(numbers: &[u8]) -> Result<usize, Text> {
    let (modulus, rest) = element(numbers, INTEGER)?;
    let (exponent, _) = element(rest, INTEGER)?;
    let leading = modulus.iter().take_while(|octet| **octet == 0).count();
    let significant = modulus.get(leading..).unwrap_or_default();
    match significant.first() {
        Some(first) if !exponent.is_empty() => {
            let unused = first.leading_zeros() as usize;
            Ok(significant.len() * 8 - unused)
        }
        _ => Err(cut_short()),
    }
}

/// The contents of the element that `bytes` begins with, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Result<(&[u8], &[u8]), Text> {
    let (first, rest) = bytes.split_first().ok_or_else(cut_short)?;
    if *first != tag {
        return Err(both!("it is not an RSA key in DER", "ce n'est pas une clé RSA en DER"));
    }
    let (length, rest) = length(rest)?;
    rest.split_at_checked(length).ok_or_else(cut_short)
}

fn length(bytes: &[u8]) -> Result<(usize, &[u8]), Text> {
    let (first, rest) = bytes.split_first().ok_or_else(cut_short)?;
    if first & 0x80 == 0 {
        return Ok((usize::from(*first), rest));
    }
    let octets = usize::from(first & 0x7f);
    if octets == 0 || octets > 3 {
        return Err(both!("a length in it makes no sense", "une longueur y est absurde"));
    }
    let (number, rest) = rest.split_at_checked(octets).ok_or_else(cut_short)?;
    Ok((number.iter().fold(0, |sum, octet| (sum << 8) | usize::from(*octet)), rest))
}

fn cut_short() -> Text {
    both!("it is cut short", "elle est coupée")
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
