//! The CRI's own messages: prost's merged decode must agree with `get` before and after each edit.

use super::against_tree::{encode, nodes, padding};
use crate::wire::cri::{create_container_request, mount, pull_image_request};
use crate::wire::record::put_varint;
use crate::wire::{append, cut, each, get, set};
use k8s_cri::v1::{CreateContainerRequest, ImageSpec, Mount, PullImageRequest};
use proptest::prelude::*;
use prost::Message as _;

/// Pieces of one message, each a run of whole records.
fn pieces(one: BoxedStrategy<Vec<u8>>, most: usize) -> BoxedStrategy<Vec<u8>> {
    prop::collection::vec(one, 0..most).prop_map(|p| p.concat()).boxed()
}

/// A record with a possibly overlong length.
fn field(number: u32, value: BoxedStrategy<Vec<u8>>) -> BoxedStrategy<Vec<u8>> {
    (value, padding())
        .prop_map(move |(value, pad)| {
            let mut out = Vec::new();
            put_varint(&mut out, u64::from(number) << 3 | 2);
            let start = out.len();
            put_varint(&mut out, value.len() as u64);
            let pad = pad.min(10 - (out.len() - start));
            if pad > 0 {
                *out.last_mut().unwrap() |= 0x80;
                out.extend(std::iter::repeat_n(0x80, pad - 1));
                out.push(0);
            }
            [out, value].concat()
        })
        .boxed()
}

fn text() -> BoxedStrategy<Vec<u8>> {
    "[a-zà-ü/:@.0-9]{0,24}".prop_map(String::into_bytes).boxed()
}

/// Records of numbers that no CRI message has.
fn unknown() -> BoxedStrategy<Vec<u8>> {
    nodes(1, (1000u32..1010).boxed()).prop_map(|n| encode(&n)).boxed()
}

fn image_spec() -> BoxedStrategy<Vec<u8>> {
    let entry = (text(), text()).prop_map(|(k, v)| append(&append(&[], 1, &k), 2, &v)).boxed();
    let one = prop_oneof![
        3 => field(1, text()),
        1 => field(18, text()),
        1 => field(2, entry),
        1 => unknown(),
    ];
    pieces(one.boxed(), 5)
}

fn pull_image() -> BoxedStrategy<Vec<u8>> {
    let auth = prop_oneof![field(1, text()), field(2, text()), field(4, text()), unknown()];
    let one = prop_oneof![
        3 => field(1, image_spec()),
        2 => field(2, pieces(auth.boxed(), 4)),
        1 => unknown(),
    ];
    pieces(one.boxed(), 6)
}

fn create_container() -> BoxedStrategy<Vec<u8>> {
    let mount = prop_oneof![field(1, text()), field(9, image_spec()), unknown()].boxed();
    let config =
        prop_oneof![field(2, image_spec()), field(3, text()), field(7, pieces(mount, 4)), unknown(),];
    let one = prop_oneof![
        1 => field(1, text()),
        3 => field(2, pieces(config.boxed(), 5)),
        1 => unknown(),
    ];
    pieces(one.boxed(), 5)
}

fn text_at(bytes: &[u8], path: &[u32]) -> String {
    String::from_utf8(get(bytes, path).unwrap().unwrap_or_default().to_vec()).unwrap()
}

proptest! {
    #[test]
    fn pull_image_request(bytes in pull_image(), new in "[a-z/:.]{0,200}") {
        let old = PullImageRequest::decode(&*bytes).unwrap();
        let image = |r: &PullImageRequest| r.image.clone().unwrap_or_default();
        prop_assert_eq!(text_at(&bytes, pull_image_request::IMAGE), image(&old).image);
        prop_assert_eq!(
            text_at(&bytes, &[1, 18]),
            image(&old).user_specified_image
        );
        prop_assert_eq!(get(&bytes, pull_image_request::AUTH).unwrap().is_some(), old.auth.is_some());

        let edited = set(&bytes, pull_image_request::IMAGE, new.as_bytes()).unwrap();
        let edited = cut(&edited, pull_image_request::AUTH).unwrap();
        let spec = ImageSpec { image: new, ..image(&old) };
        let want = PullImageRequest { image: Some(spec), auth: None, ..old };
        prop_assert_eq!(PullImageRequest::decode(&*edited).unwrap(), want);
    }

    #[test]
    fn create_container_request(bytes in create_container(), new in "[a-z/:.]{0,200}") {
        let old = CreateContainerRequest::decode(&*bytes).unwrap();
        let config = old.config.clone().unwrap_or_default();
        let image = config.image.clone().unwrap_or_default();
        prop_assert_eq!(text_at(&bytes, create_container_request::IMAGE), image.image.clone());
        prop_assert_eq!(
            text_at(&bytes, create_container_request::USER_SPECIFIED_IMAGE),
            image.user_specified_image.clone()
        );
        let mounts = each(&bytes, create_container_request::MOUNTS).unwrap();
        let mounts: Vec<_> = mounts.into_iter().map(|r| text_at(&bytes[r], mount::IMAGE)).collect();
        let image_of = |m: &Mount| m.image.clone().unwrap_or_default().image;
        let want: Vec<_> = config.mounts.iter().map(image_of).collect();
        prop_assert_eq!(mounts, want);

        let edited = set(&bytes, create_container_request::IMAGE, new.as_bytes()).unwrap();
        let mut want = old;
        let config = want.config.get_or_insert_default();
        config.image.get_or_insert_default().image = new.clone();
        let got = CreateContainerRequest::decode(&*edited).unwrap();
        prop_assert_eq!(got, want);
    }
}
