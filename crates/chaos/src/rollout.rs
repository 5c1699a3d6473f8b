//! Changes of the configuration that reach one process before the other.

use std::fs;
use std::time::Duration;

use anyhow::{Context, bail};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use tidings_proto::pb;

use crate::faults::{restart, short};
use crate::receivers::Endpoint;
use crate::system::{Part, System, new_key};

/// Tries of a call that does not reach control.
const TRIES: u32 = 20;
const KEYS: &str = "SECRETS__KEYS";
const DIRECTORY: &str = "DIALECTS__DIRECTORY";
/// The dialect that not everybody has: the standard one under another name.
const SKEWED: &str = "skewed";
const STANDARD: &str = include_str!("../../../dialects/standard.toml");

/// As documented: the new key last everywhere, then first, then everything is sealed again and the old key taken away. Half
/// of the time the first phase is left out, as people will: then nothing may be lost either.
pub(crate) async fn rotate_keys(system: &mut System, random: &mut StdRng) -> anyhow::Result<String> {
    let old: Vec<String> = serde_json::from_str(system.role(Part::Control).variable(KEYS).context("no keys")?)?;
    let new = new_key(&format!("chaos{}", random.random_range(0..u32::MAX)));
    let last: Vec<String> = old.iter().cloned().chain([new.clone()]).collect();
    let first: Vec<String> = [new.clone()].into_iter().chain(old).collect();
    let in_two_phases = random.random_range(0..2) == 0;
    if in_two_phases {
        roll_out(system, random, &last).await?;
    }
    roll_out(system, random, &first).await?;
    system.role(Part::Control).run(&["secrets", "rekey"]).await?;
    roll_out(system, random, &[new]).await?;
    Ok(if in_two_phases { "in two phases" } else { "in one phase" }.to_owned())
}

/// Gives every role these keys, one after the other in any order, while endpoints get new secrets: whatever key control
/// seals with, somebody may not have it yet.
async fn roll_out(system: &mut System, random: &mut StdRng, keys: &[String]) -> anyhow::Result<()> {
    let keys = serde_json::to_string(keys)?;
    let mut parts = Part::ALL;
    parts.shuffle(random);
    for part in parts {
        system.role(part).set(KEYS, Some(keys.clone()));
        restart(system, part).await?;
        change_secret(system, random).await?;
    }
    Ok(())
}

async fn change_secret(system: &System, random: &mut impl Rng) -> anyhow::Result<()> {
    let endpoint = system.endpoints[random.random_range(0..system.endpoints.len())];
    let request = pb::RotateEndpointSecretRequest {
        endpoint_id: endpoint.to_string(),
        ..pb::RotateEndpointSecretRequest::default()
    };
    match system.client.endpoints().rotate_endpoint_secret(request).await {
        // The connection of before control's restart.
        Err(refused) if refused.code() != tonic::Code::Unavailable => Err(refused.into()),
        _ => Ok(()),
    }
}

/// Control gets a new dialect and an endpoint is put in it; then one dispatcher gets it, then the other.
pub(crate) async fn dialect_skew(system: &mut System, random: &mut StdRng) -> anyhow::Result<String> {
    let directory = system.role(Part::Control).directory("dialects");
    fs::create_dir_all(&directory)?;
    let name = |name: &str| format!("name = \"{name}\"");
    let file = STANDARD.replacen(&name("standard"), &name(SKEWED), 1);
    fs::write(directory.join(format!("{SKEWED}.toml")), file)?;
    let known = Some(directory.display().to_string());
    let dispatchers = [Part::Dispatcher1, Part::Dispatcher2];
    // One run may do this twice.
    for part in dispatchers {
        if system.role(part).variable(DIRECTORY).is_some() {
            system.role(part).set(DIRECTORY, None);
            restart(system, part).await?;
        }
    }
    if system.role(Part::Control).variable(DIRECTORY).is_none() {
        system.role(Part::Control).set(DIRECTORY, known.clone());
        restart(system, Part::Control).await?;
    }
    speak(system, SKEWED).await?;
    for part in dispatchers {
        tokio::time::sleep(short(random)).await;
        system.role(part).set(DIRECTORY, known.clone());
        restart(system, part).await?;
    }
    tokio::time::sleep(short(random)).await;
    speak(system, "standard").await?;
    Ok(format!("{} in `{SKEWED}`", Endpoint::Healthy.name()))
}

async fn speak(system: &System, dialect: &str) -> anyhow::Result<()> {
    let endpoint = pb::Endpoint {
        id: system.endpoints[Endpoint::Healthy as usize].to_string(),
        dialect: dialect.to_owned(),
        ..pb::Endpoint::default()
    };
    let request = pb::UpdateEndpointRequest {
        endpoint: Some(endpoint),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["dialect".to_owned()],
        }),
    };
    // The connection may be that of before control's restart.
    for _ in 0..TRIES {
        match system.client.endpoints().update_endpoint(request.clone()).await {
            Err(refused) if refused.code() == tonic::Code::Unavailable => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            answer => return Ok(answer.map(|_| ())?),
        }
    }
    bail!("control can't be reached")
}
