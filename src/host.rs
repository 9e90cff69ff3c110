//! Which hosts are this machine.
//!
//! Asked of origins, of the vault's URL, of the authority's and of the `Host` header: one answer for all of them.

use url::Host;

/// Whether `host` is this machine: `localhost` and the names below it (RFC 6761 §6.3), 127.0.0.0/8 and `[::1]`.
///
/// A domain is compared as it is: the callers fold or refuse upper case.
pub fn is_loopback<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.as_ref();
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_localhost_and_the_loopback_addresses() {
        for (text, loopback) in [
            ("localhost", true),
            ("app.localhost", true),
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("[::1]", true),
            ("notlocalhost", false),
            ("localhost.contoso.com", false),
            ("10.0.0.1", false),
            ("[::2]", false),
            ("[::ffff:127.0.0.1]", false),
        ] {
            assert_eq!(is_loopback(&Host::parse(text).unwrap()), loopback, "{text}");
        }
    }
}
