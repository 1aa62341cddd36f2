//! A tunnel through a SOCKS5 proxy, which looks names up itself.
//!
//! Facts: RFC 1928 and 1929; Go (`net/http`) sends names as they are for `socks5` and `socks5h` alike.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::error::RegistryError;
use super::pool::Io;
use super::proxy::Proxy;
use super::secrets::percent_decoded;
use super::url::Url;

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;

/// Why the proxy does not connect.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("breaks the connection: {0}")]
    Io(#[from] io::Error),
    #[error("does not speak SOCKS5")]
    OtherProtocol,
    #[error("wants another way to log in than a user and a password")]
    NoWay,
    #[error("refuses the login in its variable")]
    Login,
    #[error("has a user or a password of more than 255 bytes in its variable")]
    LongLogin,
    #[error("cannot be asked for a name of more than 255 bytes")]
    LongName,
    #[error("does not lead to {0}: {1}")]
    Reply(String, &'static str),
}

/// Has a proxy connect to the host of `url`.
pub(super) async fn connect(
    mut stream: Box<dyn Io>,
    proxy: &Proxy,
    url: &Url,
) -> Result<Box<dyn Io>, RegistryError> {
    let asked = async {
        greet(&mut stream, proxy).await?;
        ask(&mut stream, url).await
    };
    let refuse = |refused: Refused| {
        let problem = refused.to_string();
        RegistryError::Proxy { proxy: proxy.address.clone(), problem }
    };
    asked.await.map_err(refuse)?;
    Ok(stream)
}

async fn greet(stream: &mut Box<dyn Io>, proxy: &Proxy) -> Result<(), Refused> {
    let login = proxy.login.as_ref().map(|login| {
        let (user, password) = login.expose().split_once(':').unwrap_or((login.expose(), ""));
        (percent_decoded(user), percent_decoded(password))
    });
    let hello: &[u8] =
        if login.is_some() { &[VERSION, 2, NO_LOGIN, PASSWORD] } else { &[VERSION, 1, NO_LOGIN] };
    stream.write_all(hello).await?;
    let [version, method] = read(stream).await?;
    match (version, method, login) {
        (VERSION, NO_LOGIN, _) => Ok(()),
        (VERSION, PASSWORD, Some((user, password))) => {
            let length = |part: &[u8]| u8::try_from(part.len()).map_err(|_| Refused::LongLogin);
            let mut message = vec![1, length(&user)?];
            message.extend(&user);
            message.push(length(&password)?);
            message.extend(&password);
            stream.write_all(&message).await?;
            let [_, status] = read(stream).await?;
            if status == 0 { Ok(()) } else { Err(Refused::Login) }
        }
        (VERSION, ..) => Err(Refused::NoWay),
        _ => Err(Refused::OtherProtocol),
    }
}

async fn ask(stream: &mut Box<dyn Io>, url: &Url) -> Result<(), Refused> {
    let host = url.host.trim_matches(['[', ']']);
    let mut message = vec![VERSION, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            message.push(1);
            message.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(4);
            message.extend(address.octets());
        }
        Err(_) => {
            message.extend([3, u8::try_from(host.len()).map_err(|_| Refused::LongName)?]);
            message.extend(host.as_bytes());
        }
    }
    message.extend(url.port.to_be_bytes());
    stream.write_all(&message).await?;
    let [version, reply, _, kind] = read(stream).await?;
    if version != VERSION {
        return Err(Refused::OtherProtocol);
    }
    if reply != 0 {
        return Err(Refused::Reply(url.address(), meaning(reply)));
    }
    // The address that the proxy itself connects from.
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(read::<1>(stream).await?[0]),
        _ => return Err(Refused::OtherProtocol),
    };
    let mut bound = vec![0; length + 2];
    stream.read_exact(&mut bound).await?;
    Ok(())
}

fn meaning(reply: u8) -> &'static str {
    match reply {
        2 => "its rules do not allow it",
        3 => "the network cannot be reached",
        4 => "the host cannot be reached",
        5 => "connection refused",
        6 => "it takes too long",
        _ => "it fails",
    }
}

async fn read<const N: usize>(stream: &mut Box<dyn Io>) -> Result<[u8; N], Refused> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
