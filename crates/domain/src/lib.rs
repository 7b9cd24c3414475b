//! SPF, DKIM and DMARC checks for every provider of a sending chain.
