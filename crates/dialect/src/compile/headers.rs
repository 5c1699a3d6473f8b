//! Compiles headers and signatures, and checks their names and values.

use std::ops::Range;

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    USER_AGENT,
};
use http::{HeaderName, HeaderValue};
use toml::Spanned;

use super::Compiler;
use crate::dialect::{Header, Signature};
use crate::error::DialectError;
use crate::file::SignatureTable;
use crate::header_name::CasedHeaderName;
use crate::render::header_value;
use crate::variables::{BODY, SECRET};

impl Compiler<'_> {
    pub(super) fn header_value(&self, key: &str, text: &Spanned<String>) -> Result<HeaderValue, DialectError> {
        header_value(text.get_ref()).ok_or_else(|| {
            self.wrong(
                text.span(),
                format!("`{key}` may have visible ASCII characters only, at most 8192"),
            )
        })
    }

    pub(super) fn header(&mut self, name: &str, value: &Spanned<String>) -> Result<Header, DialectError> {
        let template = format!("headers.{name}");
        let header = self.header_name(name, value.span())?;
        let used = self.template(&template, value, &[SECRET])?;
        Ok(Header {
            name: header,
            template,
            source: value.get_ref().clone(),
            secret: used.contains(SECRET),
        })
    }

    pub(super) fn signature(&mut self, table: SignatureTable) -> Result<Signature, DialectError> {
        let header = self.header_name(table.header.get_ref(), table.header.span())?;
        let around = [
            Some(&table.prefix),
            table.ed25519_prefix.as_ref(),
            table.separator.as_ref(),
        ];
        if around.into_iter().flatten().any(|text| header_value(text).is_none()) {
            let problem = "`prefix`, `ed25519_prefix` and `separator` may have visible ASCII characters only";
            return Err(self.wrong(table.header.span(), problem));
        }
        let template = format!("signatures.{header}.signed");
        self.template(&template, &table.signed, &[BODY])?;
        Ok(Signature {
            header,
            prefix: table.prefix,
            ed25519_prefix: table.ed25519_prefix,
            key: table.key,
            encoding: table.encoding,
            template,
            source: table.signed.into_inner(),
            separator: table.separator,
        })
    }

    fn header_name(&mut self, name: &str, span: Range<usize>) -> Result<CasedHeaderName, DialectError> {
        // These are the client's, or have keys of their own.
        const RESERVED: [HeaderName; 11] = [
            CONNECTION,
            CONTENT_ENCODING,
            CONTENT_LENGTH,
            CONTENT_TYPE,
            EXPECT,
            HOST,
            TE,
            TRAILER,
            TRANSFER_ENCODING,
            UPGRADE,
            USER_AGENT,
        ];
        let header: CasedHeaderName = name
            .parse()
            .map_err(|_| self.wrong(span.clone(), format!("`{name}` can't be the name of a header")))?;
        if RESERVED.contains(header.name()) {
            return Err(self.wrong(span, format!("the header `{name}` is not a dialect's to set here")));
        }
        if !self.headers.insert(header.name().clone()) {
            return Err(self.wrong(span, format!("the header `{name}` is set twice")));
        }
        Ok(header)
    }
}
