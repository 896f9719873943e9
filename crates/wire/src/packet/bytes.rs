//! Reading integers out of byte slices, where a slice may always be too short.

/// The big-endian 16-bit integer at `at`, if the slice reaches so far.
#[inline]
#[must_use]
pub fn be16(input: &[u8], at: usize) -> Option<u16> {
    let field = input.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*field))
}

/// The big-endian 24-bit integer at `at`.
#[inline]
#[must_use]
pub fn be24(input: &[u8], at: usize) -> Option<u32> {
    let field = input.get(at..)?.first_chunk::<3>()?;
    Some(u32::from_be_bytes([0, field[0], field[1], field[2]]))
}

/// The big-endian 32-bit integer at `at`.
#[inline]
#[must_use]
pub fn be32(input: &[u8], at: usize) -> Option<u32> {
    let field = input.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*field))
}

/// Byte order of a file, as its magic number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    /// The 16-bit integer at `at` in this order.
    #[inline]
    #[must_use]
    pub fn u16(self, input: &[u8], at: usize) -> Option<u16> {
        let field = *input.get(at..)?.first_chunk::<2>()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(field),
            Self::Big => u16::from_be_bytes(field),
        })
    }

    /// The 32-bit integer at `at` in this order.
    #[inline]
    #[must_use]
    pub fn u32(self, input: &[u8], at: usize) -> Option<u32> {
        let field = *input.get(at..)?.first_chunk::<4>()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(field),
            Self::Big => u32::from_be_bytes(field),
        })
    }

    /// The 64-bit integer at `at` in this order.
    #[inline]
    #[must_use]
    pub fn u64(self, input: &[u8], at: usize) -> Option<u64> {
        let field = *input.get(at..)?.first_chunk::<8>()?;
        Some(match self {
            Self::Little => u64::from_le_bytes(field),
            Self::Big => u64::from_be_bytes(field),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_end_where_the_slice_ends() {
        let input = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(be16(&input, 6), Some(0x0708));
        assert_eq!(be16(&input, 7), None);
        assert_eq!(be24(&input, 5), Some(0x06_07_08));
        assert_eq!(be32(&input, usize::MAX), None);
        assert_eq!(Order::Little.u64(&input, 0), Some(0x0807_0605_0403_0201));
        assert_eq!(Order::Big.u16(&input, 0), Some(0x0102));
    }
}
