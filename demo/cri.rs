//! A CRI client that takes the words of `crictl pull`, `images`, `inspecti` and `rmi`, for machines
//! without crictl.
//!
//! Before: `demo/run` calls it.  After: the socket that CONTAINER_RUNTIME_ENDPOINT names.
//! Holds: exit status 1 where the runtime answers with an error, which goes to stderr as crictl has it.
//! Not here: anything that a real crictl would do beyond these words.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a command line program")]

use std::error::Error;
use std::process::ExitCode;

use hyper_util::rt::TokioIo;
use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::{
    Image, ImageSpec, ImageStatusRequest, ListImagesRequest, PullImageRequest, RemoveImageRequest,
};
use serde_json::{Map, Value, json};
use tonic::transport::{Channel, Endpoint};

const USAGE: &str = "usage: CONTAINER_RUNTIME_ENDPOINT=unix:///PATH cri pull|images|inspecti|rmi [IMAGE]";

type Client = ImageServiceClient<Channel>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let endpoint = std::env::var("CONTAINER_RUNTIME_ENDPOINT").map_err(|_| USAGE)?;
    let path = endpoint.strip_prefix("unix://").unwrap_or(&endpoint).to_owned();
    let connect = tower::service_fn(move |_| {
        let path = path.clone();
        async move { Ok::<_, std::io::Error>(TokioIo::new(tokio::net::UnixStream::connect(path).await?)) }
    });
    let channel = Endpoint::from_static("http://localhost").connect_with_connector(connect).await?;
    let mut client = ImageServiceClient::new(channel);
    let answered = match arguments {
        ["pull", image] => pull(&mut client, image).await,
        ["images"] => images(&mut client).await,
        ["inspecti", image] => inspect(&mut client, image).await,
        ["rmi", image] => remove(&mut client, image).await,
        _ => return Err(USAGE.into()),
    };
    answered
        .map_err(|status| format!("rpc error: code = {:?} desc = {}", status.code(), status.message()).into())
}

async fn pull(client: &mut Client, image: &str) -> Result<(), tonic::Status> {
    let request = PullImageRequest { image: spec(image), ..PullImageRequest::default() };
    let answer = client.pull_image(request).await?.into_inner();
    println!("Image is up to date for {}", answer.image_ref);
    Ok(())
}

async fn images(client: &mut Client) -> Result<(), tonic::Status> {
    println!("{:<60}{:<20}{:<17}SIZE", "IMAGE", "TAG", "IMAGE ID");
    for image in client.list_images(ListImagesRequest::default()).await?.into_inner().images {
        let id: String = image.id.trim_start_matches("sha256:").chars().take(13).collect();
        for (name, tag) in names(&image) {
            println!("{name:<60}{tag:<20}{id:<17}{:.1}MB", image.size as f64 / 1e6);
        }
    }
    Ok(())
}

/// The names of an image with their tags; a name that has but a digest gets `<none>`.
fn names(image: &Image) -> Vec<(&str, &str)> {
    let tagged: Vec<(&str, &str)> = image.repo_tags.iter().filter_map(|tag| tag.rsplit_once(':')).collect();
    if !tagged.is_empty() {
        return tagged;
    }
    image.repo_digests.iter().filter_map(|name| Some((name.split_once('@')?.0, "<none>"))).collect()
}

async fn inspect(client: &mut Client, image: &str) -> Result<(), tonic::Status> {
    let request = ImageStatusRequest { image: spec(image), verbose: true };
    let answer = client.image_status(request).await?.into_inner();
    let Some(found) = answer.image else {
        return Err(tonic::Status::not_found(format!("no such image \"{image}\" present")));
    };
    // The runtime's entries are texts of JSON; crictl shows what is in them.
    let info: Map<String, Value> = answer
        .info
        .into_iter()
        .map(|(key, text)| (key, serde_json::from_str(&text).unwrap_or(Value::String(text))))
        .collect();
    let status = json!({"id": found.id, "repoTags": found.repo_tags, "repoDigests": found.repo_digests});
    println!("{:#}", json!({"status": status, "info": info}));
    Ok(())
}

async fn remove(client: &mut Client, image: &str) -> Result<(), tonic::Status> {
    client.remove_image(RemoveImageRequest { image: spec(image) }).await?;
    println!("Deleted: {image}");
    Ok(())
}

fn spec(image: &str) -> Option<ImageSpec> {
    Some(ImageSpec { image: image.to_owned(), ..ImageSpec::default() })
}
