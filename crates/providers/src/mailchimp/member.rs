//! The hash under which a Mailchimp audience knows an address.

use depeche_core::address::EmailAddress;
use md5::{Digest, Md5};

/// Hexadecimal MD5 of the address in lower case (PROVIDERS.md, section 2). A name, not a protection.
#[must_use]
pub fn subscriber_hash(address: &EmailAddress) -> String {
    let sum = Md5::digest(address.to_string().to_lowercase());
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of PROVIDERS.md, section 2.
    #[test]
    fn the_published_hash_is_found_in_any_case() {
        for text in ["urist.mcvankab@freddiesjokes.com", "Urist.McVankab@FreddiesJokes.com"] {
            let address = EmailAddress::parse(text).unwrap();
            assert_eq!(subscriber_hash(&address), "62eeb292278cc15f5817cb78f7790b08");
        }
    }
}
