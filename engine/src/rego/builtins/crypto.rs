//! `crypto.*` of texts. Certificates and tokens are not read here.

use hmac::{KeyInit, Mac, SimpleHmac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::encoding::hexadecimal;
use super::operands::{text, units};
use super::{Builtin, Fault, Host};
use crate::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("crypto.md5", 1, hash::<Md5>),
    Builtin::new("crypto.sha1", 1, hash::<Sha1>),
    Builtin::new("crypto.sha256", 1, hash::<Sha256>),
    Builtin::new("crypto.hmac.md5", 2, authenticate::<SimpleHmac<Md5>>),
    Builtin::new("crypto.hmac.sha1", 2, authenticate::<SimpleHmac<Sha1>>),
    Builtin::new("crypto.hmac.sha256", 2, authenticate::<SimpleHmac<Sha256>>),
    Builtin::new("crypto.hmac.sha512", 2, authenticate::<SimpleHmac<Sha512>>),
    Builtin::new("crypto.hmac.equal", 2, equal),
];

fn hash<D: Digest>(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let message = text(args, 0)?;
    host.spend(units(message.len()) * 4)?;
    Ok(Value::string(hexadecimal(&D::digest(message))))
}

fn authenticate<M: Mac + KeyInit>(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (message, key) = (text(args, 0)?, text(args, 1)?);
    host.spend(units(message.len() + key.len()) * 4)?;
    let mac = <M as KeyInit>::new_from_slice(key.as_bytes()).map_err(|_| Fault::new("the key does not fit"))?;
    let code = mac.chain_update(message).finalize().into_bytes();
    Ok(Value::string(hexadecimal(&code)))
}

/// In a time that does not tell where the texts differ.
fn equal(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let (a, b) = (text(args, 0)?, text(args, 1)?);
    host.spend(units(a.len()))?;
    let difference = a
        .bytes()
        .zip(b.bytes())
        .fold(0, |difference, (a, b)| difference | (a ^ b));
    Ok(Value::Bool(a.len() == b.len() && difference == 0))
}

#[cfg(test)]
mod tests {
    use super::super::{Host, find};
    use crate::rego::value::Value;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn digests_are_hexadecimal() {
        let call = |name: &str, args: &[&str]| {
            let args: Vec<Value> = args.iter().map(Value::string).collect();
            (find(name).unwrap().run)(&mut Host::new(1_000), &args)
                .unwrap()
                .to_json()
        };
        assert_eq!(call("crypto.md5", &["lorem ipsum"]), "80a751fde577028640c419000e33eba6");
        assert_eq!(
            call("crypto.sha1", &["lorem ipsum"]),
            "bfb7759a67daeb65410490b4d98bb9da7d1ea2ce"
        );
        let sha256 = "5e2bf57d3f40c4b6df69daf1936cb766f832374b4fc0259a7cbff06e2f70f269";
        assert_eq!(call("crypto.sha256", &["lorem ipsum"]), sha256);
        assert_eq!(call("crypto.hmac.md5", &["a", "b"]), "5e69fae25f4b4f3e8cc5de09a8163520");
        assert_eq!(
            call("crypto.hmac.sha1", &["foo", "bar"]),
            "85d155c55ed286a300bd1cf124de08d87e914f3a"
        );
        let sha256 = "147933218aaabc0b8b10a2b3a5c34684c8d94341bcf10a4736dc7270f7741851";
        assert_eq!(call("crypto.hmac.sha256", &["foo", "bar"]), sha256);
        let sha512 = "24257d7210582a65c731ec55159c8184cc24c02489453e58587f71f44c23a2d61b4b72154a89d17b2d49448a8452ea066f4fc56a2bcead45c088572ffccdb3d8";
        assert_eq!(call("crypto.hmac.sha512", &["foo", "bar"]), sha512);
        assert_eq!(call("crypto.hmac.equal", &["a", "a"]), true);
        assert_eq!(call("crypto.hmac.equal", &["a", "ab"]), false);
    }
}
