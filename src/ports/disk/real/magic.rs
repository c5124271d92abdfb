//! File systems by the magic numbers that Linux gives them.

/// The network file systems among Linux's magic numbers. Those that may be local or not (fuse, gfs2) are left out.
pub(super) fn network_name(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x0000_6969 => "nfs",
        0x0000_517b => "smb",
        0xff53_4d42 => "cifs",
        0xfe53_4d42 => "smb2",
        0x5346_414f | 0x6b41_4653 => "afs",
        0x00c3_6400 => "ceph",
        0x0102_1997 => "9p",
        0x0bd0_0bd0 => "lustre",
        _ => return None,
    })
}

/// The local file systems that people meet, by the same numbers.
pub(super) fn local_name(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x0000_ef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        0xca45_1a4e => "bcachefs",
        0x0102_1994 => "tmpfs",
        0x8584_58f6 => "ramfs",
        0x794c_7630 => "overlayfs",
        0x6573_5546 => "fuse",
        0x0000_4d44 => "vfat",
        0x2011_bab0 => "exfat",
        0x7366_746e => "ntfs3",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_go_by_their_magic_number() {
        assert_eq!(network_name(0xff53_4d42), Some("cifs"));
        assert_eq!(
            (network_name(0xef53), network_name(0x5846_5342)),
            (None, None)
        );
    }
}
