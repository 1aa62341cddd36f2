//! Questions to the image service that change nothing.
//!
//! An image with several names is put there directly, and both sides must say the same of it.

use crate::sides::{Sides, is_read_by_the_shunt};
use crate::support::cri::spec;
use crate::support::image::Image;
use crate::support::native::Native;
use crate::support::wait_for;
use k8s_cri::v1::{
    ImageFilter, ImageFsInfoRequest, ImageStatusRequest, ImageStatusResponse, ListImagesRequest,
    ListImagesResponse,
};
use prost::Message as _;

pub const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
pub const LIST: &str = "/runtime.v1.ImageService/ListImages";

/// The methods of the image service, the newest included.
pub const METHODS: [&str; 6] =
    ["ListImages", "StreamImages", "ImageStatus", "PullImage", "RemoveImage", "ImageFsInfo"];

/// Strings that are not references, or only look like one.
pub const ODD: [&str; 16] = [
    "",
    ":",
    "@",
    "/",
    "UPPER/case:1",
    "a b",
    "http://h/x:1",
    "x:",
    "x@",
    "x@sha256:zz",
    "sha256:abc",
    "-",
    "x:-",
    "h:port/x",
    "\u{e4}",
    "../../etc/passwd",
];

pub fn status(image: &str, verbose: bool) -> Vec<u8> {
    ImageStatusRequest { image: Some(spec(image)), verbose }.encode_to_vec()
}

/// Pulls an image and gives it a name in Docker Hub's name space, whose short forms can be asked for.
async fn prepare(sides: &Sides, unique: &str) -> (Image, Vec<String>) {
    let image = Image::busybox(unique).with_user("1002");
    let cri = &sides.direct().cri;
    let mut names = Vec::new();
    for tag in ["1", "2"] {
        sides.registry.push(unique, tag, &image);
        let name = sides.registry.name(unique, tag);
        cri.pull(&name).await.unwrap();
        names.push(name);
    }
    let native = Native::connect(&sides.containerd.socket()).await;
    native.tag(&names[0], &format!("docker.io/library/{unique}:latest")).await;
    let known = wait_for(async || cri.has(unique).await).await;
    assert!(known, "CRI does not learn of a name that was written past it");
    (image, names)
}

async fn clean(sides: &Sides, image: &Image) {
    sides.direct().cri.remove(&image.id()).await.unwrap();
}

pub async fn status_by_every_form_of_a_name(sides: &Sides) {
    let (image, names) = prepare(sides, "compliance-forms").await;
    let (id, digest) = (image.id(), image.digest());
    let repository = names[0].trim_end_matches(":1");
    let mut forms = names.clone();
    forms.extend([id.clone(), id[7..].to_owned(), id[7..19].to_owned(), id[..19].to_owned()]);
    forms.extend([format!("{repository}@{digest}"), format!("{repository}:other@{digest}")]);
    for short in [
        "",
        "library/",
        "docker.io/",
        "docker.io/library/",
        "index.docker.io/",
        "registry-1.docker.io/library/",
    ] {
        forms.extend(["", ":latest", ":none"].map(|tag| format!("{short}compliance-forms{tag}")));
    }
    let mut found = 0;
    for form in forms {
        let answer = sides.same(STATUS, &status(&form, false)).await;
        assert_eq!(answer.code(), Some(0), "{form}");
        let image = ImageStatusResponse::decode(answer.messages[0].clone()).unwrap().image;
        found += usize::from(image.is_some_and(|image| image.id == id));
    }
    assert!(found >= 13, "only {found} of the forms name the image");
    clean(sides, &image).await;
}

pub async fn status_of_what_is_not_there(sides: &Sides) {
    for odd in ODD {
        sides.same(STATUS, &status(odd, false)).await;
        // The empty name is the start of every id: it may find an image, and then `info` has more.
        sides.same(STATUS, &status(odd, !odd.is_empty())).await;
    }
    for absent in [
        "compliance-absent",
        "h.example/x/y:1",
        "deadbeef",
        &"f".repeat(64),
        &format!("sha256:{}", "f".repeat(64)),
    ] {
        let answer = sides.same(STATUS, &status(absent, true)).await;
        assert_eq!((answer.code(), answer.messages[0].len()), (Some(0), 0), "{absent}");
    }
    sides.same(STATUS, &status(&"x/".repeat(300), false)).await;
    // A request without ImageSpec, and one with an empty one.
    sides.same(STATUS, b"").await;
    sides.same(STATUS, &[0x0a, 0x00]).await;
}

pub async fn lists(sides: &Sides) {
    let (image, names) = prepare(sides, "compliance-lists").await;
    let filters = [None, Some(ImageFilter::default()), Some(ImageFilter { image: Some(spec(&names[0])) })];
    for filter in filters {
        let answer = sides.same(LIST, &ListImagesRequest { filter }.encode_to_vec()).await;
        let images = ListImagesResponse::decode(answer.messages[0].clone()).unwrap().images;
        assert!(images.iter().any(|listed| listed.id == image.id()));
    }
    clean(sides, &image).await;
}

pub async fn file_systems(sides: &Sides) {
    let answer =
        sides.same("/runtime.v1.ImageService/ImageFsInfo", &ImageFsInfoRequest {}.encode_to_vec()).await;
    assert_eq!(answer.code(), Some(0));
}

/// The one place where an answer has more than containerd's: `info` gets an entry of provenance.
pub async fn status_verbose(sides: &Sides) {
    let (image, names) = prepare(sides, "compliance-verbose").await;
    sides
        .story(async |side| {
            let found = side.cri.status_verbose(&names[0], true).await.unwrap();
            side.note("the image", &found.image);
            side.note("containerd's info", found.info.get("info").expect("containerd gives one"));
            assert!(found.info.len() <= 2, "one more at most: {:?}", found.info.keys());
        })
        .await;
    clean(sides, &image).await;
}

/// Bytes that are no protobuf message, or not the one that is asked for.
pub const BROKEN: [&[u8]; 6] = [
    b"\xff",
    b"\x0a\x05ab",
    b"\x0a\x02\x0a\x05",
    b"\x08\x01",
    b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x0b",
];

/// Sends a message that is not one of this method's.
pub async fn broken(sides: &Sides, path: &str, message: &[u8]) {
    if is_read_by_the_shunt(path.rsplit('/').next().unwrap_or_default()) {
        sides.same_or_refused(path, message).await;
    } else {
        sides.same(path, message).await;
    }
}

pub async fn messages_that_are_none(sides: &Sides) {
    for method in METHODS {
        let path = format!("/runtime.v1.ImageService/{method}");
        for message in BROKEN {
            broken(sides, &path, message).await;
        }
        if method != "RemoveImage" {
            // There, the empty name could be the start of another case's id.
            sides.same(&path, b"").await;
        }
    }
    // Unknown fields, and a name that is given twice: the last one counts.
    let mut twice = status("compliance-first", false);
    twice.extend(status("compliance-second", true));
    twice.extend_from_slice(b"\xfa\x3f\x03abc");
    sides.same(STATUS, &twice).await;
    sides.same(STATUS, b"\x0a\x04\x0a\x02\xff\xfe").await;
}
