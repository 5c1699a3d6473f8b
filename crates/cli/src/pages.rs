//! Lists that services give page by page.

use tonic::Status;

/// The most items that a service puts on one page.
pub(crate) const LARGEST: u32 = 200;

/// Collects at most `limit` items. `page` takes the size of a page and the token of the one before, and returns the items
/// and the token of the next, empty after the last.
///
/// # Errors
/// The refusal of the first page that the service refuses.
pub(crate) async fn collect<T>(
    limit: u32,
    mut page: impl AsyncFnMut(u32, String) -> Result<(Vec<T>, String), Status>,
) -> Result<Vec<T>, Status> {
    let mut items = Vec::new();
    let mut token = String::new();
    while items.len() < limit as usize {
        let size = (limit - items.len() as u32).min(LARGEST);
        let (more, next) = page(size, token).await?;
        items.extend(more);
        if next.is_empty() {
            break;
        }
        token = next;
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service with this many items, which gives at most 150 at once.
    async fn listed(count: u32, limit: u32) -> Vec<u32> {
        let listed = collect(limit, async |size, token: String| {
            let begin: u32 = token.parse().unwrap_or(0);
            let end = count.min(begin + size.min(150));
            let next = if end < count { end.to_string() } else { String::new() };
            Ok(((begin..end).collect(), next))
        });
        listed.await.unwrap()
    }

    #[tokio::test]
    async fn a_list_ends_at_its_limit_or_its_last_page() {
        assert!(listed(1_000, 0).await.is_empty());
        assert_eq!(listed(1_000, 301).await, (0..301).collect::<Vec<_>>());
        assert_eq!(listed(301, 1_000).await, (0..301).collect::<Vec<_>>());
    }
}
