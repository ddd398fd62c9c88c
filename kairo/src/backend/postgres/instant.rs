//! Times that people read in tables: `timestamptz`, to the microsecond.

use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef, types::Oid},
};

use crate::clock::{Timestamp, micros};

/// The year 2000, from which the server counts, in microseconds since 1970.
const SERVER_EPOCH: i64 = 946_684_800_000_000;

/// The server's number for `timestamptz`, and for lists of it.
const OID: Oid = Oid(1184);
const LIST_OID: Oid = Oid(1185);

/// A time in a column of `timestamptz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant(pub(super) Timestamp);

impl Type<Postgres> for Instant {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(OID)
    }
}

impl PgHasArrayType for Instant {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(LIST_OID)
    }
}

impl Encode<'_, Postgres> for Instant {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let since = self.0.as_microsecond().saturating_sub(SERVER_EPOCH);
        buffer.extend(&since.to_be_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Instant {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        // Everything is read by prepared statements, whose answers are binary.
        let since = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        Ok(Self(micros(since.saturating_add(SERVER_EPOCH))))
    }
}
