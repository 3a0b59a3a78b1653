//! The networks that an address belongs to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A network: an address without the bits after its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// How many times as much as one subscriber the network around it gets: several subscribers share it, and one
    /// person can have all of it.
    pub const WIDE_FACTOR: u32 = 10;

    /// The network of one subscriber: an IPv4 address, or the /64 of an IPv6 address, of which any device can use every
    /// address.
    pub fn of_subscriber(address: IpAddr) -> Self {
        Self::of(address, 32, 64)
    }

    /// The network that one customer of a provider can rent: the /24 of an IPv4 address, the /48 of an IPv6 address.
    pub fn around(address: IpAddr) -> Self {
        Self::of(address, 24, 48)
    }

    fn of(address: IpAddr, v4: u8, v6: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let mask = u32::MAX << (32 - u32::from(v4));
                Self { address: Ipv4Addr::from_bits(address.to_bits() & mask).into(), prefix: v4 }
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX << (128 - u32::from(v6));
                Self { address: Ipv6Addr::from_bits(address.to_bits() & mask).into(), prefix: v6 }
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_are_equal() {
        let subscriber = |text: &str| Network::of_subscriber(text.parse().unwrap());
        let around = |text: &str| Network::around(text.parse().unwrap());
        assert_eq!(subscriber("192.0.2.1"), subscriber("::ffff:192.0.2.1"));
        assert_ne!(subscriber("192.0.2.1"), subscriber("192.0.2.2"));
        assert_eq!(around("192.0.2.1"), around("192.0.2.255"));
        assert_ne!(around("192.0.2.1"), around("192.0.3.1"));
        assert_eq!(subscriber("2001:db8::1"), subscriber("2001:db8::ffff:0:0:1"));
        assert_ne!(subscriber("2001:db8::1"), subscriber("2001:db8:0:1::1"));
        assert_eq!(around("2001:db8::1"), around("2001:db8:0:ffff::1"));
        assert_ne!(around("2001:db8::1"), around("2001:db8:1::1"));
        // A network is not the narrower one that begins at the same address.
        assert_ne!(subscriber("192.0.2.0"), around("192.0.2.0"));
        assert_ne!(subscriber("2001:db8::"), around("2001:db8::"));
    }
}
