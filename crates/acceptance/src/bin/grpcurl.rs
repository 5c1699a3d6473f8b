//! A stand-in for `grpcurl`, as far as the documents use it, so that they can be tested where there is none:
//!
//! `grpcurl -plaintext -H 'name: value' -d '{json}' host:port package.Service/Method`
//!
//! It takes the messages from this build's protos, not from the server's reflection, and knows unary calls only.

use std::error::Error;
use std::process::ExitCode;
use std::str::FromStr;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use serde_json::{Deserializer, Value};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::Endpoint;
use tonic::{Request, Status};

type Failure = Box<dyn Error>;

#[derive(Default)]
struct Arguments {
    headers: Vec<String>,
    data: String,
    operands: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(answer) => {
            println!("{answer:#}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("grpcurl: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<Value, Failure> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let [address, method] = arguments.operands.as_slice() else {
        return Err("give an address and a method".into());
    };
    let method = find(method)?;
    let mut json = Deserializer::from_str(&arguments.data);
    let message = DynamicMessage::deserialize(method.input(), &mut json)?;
    json.end()?;
    let mut request = Request::new(message);
    for header in &arguments.headers {
        let (name, value) = header.split_once(':').ok_or("write a header as `name: value`")?;
        let name = MetadataKey::<Ascii>::from_str(&name.trim().to_ascii_lowercase())?;
        request
            .metadata_mut()
            .insert(name, MetadataValue::from_str(value.trim())?);
    }
    Ok(serde_json::to_value(call(address, &method, request).await?)?)
}

impl Arguments {
    fn read(mut given: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut arguments = Self::default();
        while let Some(argument) = given.next() {
            let mut value = || given.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "-plaintext" => {}
                "-H" => arguments.headers.push(value()?),
                "-d" => arguments.data = value()?,
                flag if flag.starts_with('-') => return Err(format!("{flag} is unknown").into()),
                _ => arguments.operands.push(argument),
            }
        }
        Ok(arguments)
    }
}

fn find(method: &str) -> Result<MethodDescriptor, Failure> {
    let pool = DescriptorPool::decode(tidings_proto::DESCRIPTORS)?;
    let (service, name) = method
        .split_once('/')
        .ok_or("write a method as `package.Service/Method`")?;
    let service = pool
        .get_service_by_name(service)
        .ok_or_else(|| format!("there is no service {service}"))?;
    let method = service.methods().find(|method| method.name() == name);
    method.ok_or_else(|| format!("there is no method {name}").into())
}

async fn call(
    address: &str,
    method: &MethodDescriptor,
    request: Request<DynamicMessage>,
) -> Result<DynamicMessage, Failure> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await?;
    let answer = client.unary(request, path.parse()?, Dynamic(method.output())).await?;
    Ok(answer.into_inner())
}

/// Messages that are known by their descriptors only; holds that of the answers.
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(self.0.clone())
    }

    fn decoder(&mut self) -> Self {
        Self(self.0.clone())
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(to).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.clone(), from)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
