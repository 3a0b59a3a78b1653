use super::*;

#[test]
fn image_type_is_detected_from_the_first_bytes() {
    let table: [(&[u8], Option<ImageType>); 9] = [
        (b"\xff\xd8\xff\xe0rest", Some(ImageType::Jpeg)),
        (b"\x89PNG\r\n\x1a\nrest", Some(ImageType::Png)),
        (b"RIFF\0\0\0\0WEBPVP8 rest", Some(ImageType::Webp)),
        (b"GIF89arest", Some(ImageType::Gif)),
        (b"GIF88a", None),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"<svg xmlns=", None),
        (b"<!doctype html>", None),
        (b"", None),
    ];
    for (head, expected) in table {
        assert_eq!(ImageType::sniff(head), expected, "{}", String::from_utf8_lossy(head));
    }
}

#[test]
fn foreign_type_is_detected_from_the_first_bytes() {
    use ForeignType::{Avif, Heif, JpegXl, TiffOrRaw, Video};
    let brands = |main: &[u8; 4], others: &[&[u8; 4]]| {
        let others = others.iter().map(|brand| brand.as_slice()).collect::<Vec<_>>().concat();
        let size = u32::try_from(16 + others.len()).unwrap();
        [&size.to_be_bytes(), b"ftyp".as_slice(), main, &[0; 4], &others, b"\0\0\0\x08mdatavif"].concat()
    };
    let table: Vec<(Vec<u8>, Option<ForeignType>)> = vec![
        (brands(b"heic", &[b"mif1", b"heic"]), Some(Heif)),
        (brands(b"mif1", &[b"heic", b"miaf"]), Some(Heif)),
        (brands(b"heix", &[]), Some(Heif)),
        (brands(b"hevc", &[b"msf1"]), Some(Heif)),
        (brands(b"msf1", &[]), Some(Heif)),
        (brands(b"mif1", &[]), Some(Heif)),
        (brands(b"avif", &[b"mif1", b"miaf"]), Some(Avif)),
        (brands(b"mif1", &[b"miaf", b"avif"]), Some(Avif)),
        (brands(b"avis", &[b"msf1", b"iso8"]), Some(Avif)),
        (brands(b"crx ", &[b"isom"]), Some(TiffOrRaw)),
        (brands(b"isom", &[b"iso2", b"avc1", b"mp41"]), Some(Video)),
        (brands(b"qt  ", &[]), Some(Video)),
        (b"\0\0\0\x14ftyp".to_vec(), Some(Video)),
        (b"\0\0\0\x01ftyp".to_vec(), Some(Video)),
        (b"\0\0\0\x01ftyp\0\0\0\0\0\0\0\x20heic\0\0\0\0mif1heic".to_vec(), Some(Heif)),
        (b"\0\0\0\x01ftyp\0\0\0\0\0\0\0\x1cmif1\0\0\0\0avif".to_vec(), Some(Avif)),
        (b"\0\0\0\x01ftyp\xff\xff\xff\xff\xff\xff\xff\xffqt  \0\0\0\0qt  ".to_vec(), Some(Video)),
        (b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(), Some(JpegXl)),
        (b"\xff\x0a".to_vec(), Some(JpegXl)),
        (b"II*\0\x08\0\0\0".to_vec(), Some(TiffOrRaw)),
        (b"MM\0*\0\0\0\x08".to_vec(), Some(TiffOrRaw)),
        (b"FUJIFILMCCD-RAW 0201".to_vec(), Some(TiffOrRaw)),
        (b"\x1a\x45\xdf\xa3".to_vec(), Some(Video)),
        (b"RIFF\0\0\0\0AVI LIST".to_vec(), Some(Video)),
        (b"RIFF\0\0\0\0WEBPVP8 ".to_vec(), None),
        (b"\xff\xd8\xff\xe0".to_vec(), None),
        (b"<svg xmlns=".to_vec(), None),
        (b"".to_vec(), None),
    ];
    for (head, expected) in table {
        assert_eq!(ForeignType::sniff(&head), expected, "{}", String::from_utf8_lossy(&head));
        assert!(expected.is_none() || ImageType::sniff(&head).is_none());
    }
}

#[test]
fn media_key_has_one_spelling_and_is_parsed_from_its_file_names() {
    let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
    let owner = UserId::generate(now);
    for is_public in [true, false] {
        let key = MediaKey::new(is_public, owner, 0xabc);
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.to_string().to_uppercase().parse::<MediaKey>().ok(), None);
        for name in VariantName::ALL {
            assert_eq!(MediaKey::parse_file(&key.file(*name)), Some((key, *name)));
        }
    }
    let key = MediaKey::new(true, owner, 1).to_string();
    for other in [
        "",
        "public/x/1",
        &key[1..],
        &format!("{key}/"),
        &format!("{key}/../x"),
        &key.replacen("public", "secret", 1),
    ] {
        assert_eq!(other.parse::<MediaKey>().ok(), None, "{other}");
    }
    for other in [format!("{key}/large.png"), format!("{key}/huge.webp"), format!("{key}.webp")] {
        assert_eq!(MediaKey::parse_file(&other), None, "{other}");
    }
}
