//! A customer of the product that runs Tidings.

use jiff::Timestamp;

use crate::id::TenantId;

/// A tenant; everything else belongs to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// What people call it; 1 to 200 characters.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Tenant {
    /// The longest name, in characters.
    pub const MAX_NAME: usize = 200;
}
