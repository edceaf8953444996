//! PEM files: read together, compared as a whole, and parsed into certificates and keys.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    Error, InconsistentKeys, RootCertStore,
    crypto::CryptoProvider,
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use webpki::EndEntityCert;

use super::{
    Files,
    fault::{Fault, FileRole},
    validity::Validity,
};

/// Maximum bytes of one file. A system's root certificates have a quarter of that.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// One file, as read; not parsed yet.
#[derive(Clone, PartialEq, Eq)]
struct PemFile {
    role: FileRole,
    path: PathBuf,
    bytes: Result<Vec<u8>, String>,
}

/// All files of one side. Equal files give the same configuration.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PemFiles {
    ca: Option<PemFile>,
    identity: Option<(PemFile, PemFile)>,
}

impl PemFiles {
    pub(super) fn read(files: &Files) -> Self {
        Self {
            ca: files.ca.as_deref().map(|path| PemFile::read(FileRole::Ca, path)),
            identity: files.identity.as_ref().map(|identity| {
                (
                    PemFile::read(FileRole::Certificate, &identity.certificate),
                    PemFile::read(FileRole::Key, &identity.key),
                )
            }),
        }
    }

    /// The validity periods of all certificates.
    pub(super) fn validity(&self) -> Vec<Validity> {
        let identity = self.identity.as_ref().map(|(certificate, _)| certificate);
        let files = self.ca.iter().chain(identity);
        files.flat_map(PemFile::validity).collect()
    }

    /// The certificates of the CA file, if there is one.
    pub(super) fn roots(&self, faults: &mut Vec<Fault>) -> Option<RootCertStore> {
        let file = self.ca.as_ref()?;
        let mut roots = RootCertStore::empty();
        for (index, certificate) in file.certificates(faults)?.into_iter().enumerate() {
            if let Err(error) = roots.add(certificate) {
                faults.push(file.fault(format!("its certificate {} cannot be used: {error}", index + 1)));
            }
        }
        Some(roots)
    }

    /// The certificate and its key, if configured. A key of another certificate is a fault.
    pub(super) fn identity(
        &self,
        provider: &CryptoProvider,
        faults: &mut Vec<Fault>,
    ) -> Option<Arc<SingleCertAndKey>> {
        let (certificate, key) = self.identity.as_ref()?;
        let chain = certificate.chain(faults);
        let private = key.private_key(faults);
        let (chain, private) = chain.zip(private)?;
        let Ok(private) = provider.key_provider.load_private_key(private) else {
            faults.push(
                key.fault("its private key is not of a supported kind (RSA, ECDSA P-256 or P-384, Ed25519)"),
            );
            return None;
        };
        let certified = CertifiedKey::new(chain, private);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
                Some(Arc::new(SingleCertAndKey::from(certified)))
            }
            Err(_) => {
                let path = certificate.path.display();
                faults
                    .push(key.fault(format!("its private key does not belong to the certificate in {path}")));
                None
            }
        }
    }
}

impl PemFile {
    fn read(role: FileRole, path: &Path) -> Self {
        let read = || {
            let mut bytes = Vec::new();
            File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = match read() {
            Ok(bytes) if bytes.len() as u64 > FILE_BYTES_MAX => {
                Err(format!("it has more than {FILE_BYTES_MAX} bytes"))
            }
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(std::io::Error::to_string(&error)),
        };
        Self { role, path: path.to_owned(), bytes }
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::of(self.role, &self.path, message)
    }

    /// All PEM sections of one kind; none is a fault.
    fn sections<T: PemObject>(&self, kind: &str, faults: &mut Vec<Fault>) -> Option<Vec<T>> {
        let sections = match &self.bytes {
            Ok(bytes) => T::pem_slice_iter(bytes).collect::<Result<Vec<T>, _>>(),
            Err(error) => {
                faults.push(self.fault(error));
                return None;
            }
        };
        let message = match sections {
            Ok(sections) if !sections.is_empty() => return Some(sections),
            Ok(_) => format!("there is no {kind} in it"),
            // The library's own error text would repeat the file's contents.
            Err(pem::Error::MissingSectionEnd { .. }) => "a PEM section in it has no end".to_owned(),
            Err(_) => "it is not a PEM file".to_owned(),
        };
        faults.push(self.fault(message));
        None
    }

    fn validity(&self) -> Vec<Validity> {
        let certificates = self.certificates(&mut Vec::new()).unwrap_or_default();
        let numbered = (1..).zip(certificates);
        numbered
            .filter_map(|(position, certificate)| {
                Validity::of(self.role, self.path.clone(), position, &certificate)
            })
            .collect()
    }

    fn certificates(&self, faults: &mut Vec<Fault>) -> Option<Vec<CertificateDer<'static>>> {
        self.sections("certificate", faults)
    }

    /// The certificate and its intermediates.
    fn chain(&self, faults: &mut Vec<Fault>) -> Option<Vec<CertificateDer<'static>>> {
        let chain = self.certificates(faults)?;
        // Every peer rejects an X.509 version 1 certificate, which openssl creates without extensions.
        match chain.first().map(EndEntityCert::try_from)? {
            Ok(_) => Some(chain),
            Err(error) => {
                faults.push(self.fault(format!("its first certificate cannot be used: {error}")));
                None
            }
        }
    }

    fn private_key(&self, faults: &mut Vec<Fault>) -> Option<PrivateKeyDer<'static>> {
        let kind = "private key (PKCS#8, PKCS#1 or SEC1, not encrypted)";
        self.sections(kind, faults)?.into_iter().next()
    }
}
