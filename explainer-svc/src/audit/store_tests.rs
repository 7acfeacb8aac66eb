//! How leaves are stored.

use super::*;

/// So many leaves after `size`, where the seal before was `before`.
async fn append(store: &Store, size: u64, before: Option<&[u8]>, leaves: usize) -> Result<u64, Error> {
    let leaf = NewLeaf {
        bytes: r#"{"kind":"x"}"#.to_owned(),
        hash: Hash([7; 32]),
        salt: [1; SALT],
        payload: "null".to_owned(),
    };
    let addition = Addition {
        size,
        seal_before: before,
        leaves: &vec![leaf; leaves],
        nodes: &[],
        seal: b"seal",
        erase: None,
    };
    store.append(&addition).await
}

#[tokio::test]
async fn one_leaf_is_stored_as_several_are_and_nothing_is_where_the_tree_is_another() {
    let folder = tempfile::TempDir::new().unwrap();
    for leaves in [1, 2] {
        let store = Store::open(&folder.path().join(format!("{leaves}.db"))).await.unwrap();
        append(&store, 0, None, leaves).await.unwrap();
        let size = u64::try_from(leaves).unwrap();
        let head = store.head().await.unwrap();
        assert_eq!((head.size, head.seal.as_deref()), (size, Some(b"seal".as_slice())));
        let stored = store.leaves(0, 9, 9).await.unwrap();
        assert_eq!(stored.len(), leaves);
        for (number, leaf) in (0..).zip(stored) {
            assert_eq!(
                (leaf.number, leaf.bytes.as_slice()),
                (number, br#"{"kind":"x"}"#.as_slice())
            );
            assert_eq!(leaf.hash, [7; 32]);
            assert_eq!(leaf.payload, Some((vec![1; SALT], b"null".to_vec())));
        }
        for (size, seal) in [
            (size - 1, Some(b"seal".as_slice())),
            (size + 1, Some(b"seal")),
            (size, Some(b"other")),
            (size, None),
        ] {
            let refused = append(&store, size, seal, leaves).await;
            assert!(
                matches!(refused, Err(Error::Foreign(_))),
                "{leaves} {size} {seal:?}: {refused:?}"
            );
        }
        // Somebody else's leaf where the next one belongs.
        let mut other = store.write.turn().await.unwrap();
        let sql = "INSERT INTO leaf (number, bytes, hash) VALUES ((SELECT size FROM tree), '{}', x'00')";
        sqlx::query(sql).execute(&mut *other).await.unwrap();
        other.keep();
        let refused = append(&store, size, Some(b"seal"), leaves).await;
        assert!(matches!(refused, Err(Error::Foreign(_))), "{leaves}: {refused:?}");
        store.write.execute(sqlx::query("DELETE FROM tree")).await.unwrap();
        let refused = append(&store, size, Some(b"seal"), leaves).await;
        assert!(matches!(refused, Err(Error::Foreign(_))), "{leaves}: {refused:?}");
        assert_eq!(
            store.leaves(0, 9, 9).await.unwrap().len(),
            leaves + 1,
            "nothing of it is stored"
        );
    }
}

#[tokio::test]
async fn a_leaf_that_a_trigger_in_the_file_leaves_out_is_not_acknowledged() {
    let folder = tempfile::TempDir::new().unwrap();
    for event in ["UPDATE ON tree", "INSERT ON leaf", "INSERT ON payload"] {
        let store = Store::open(&folder.path().join(format!("{event}.db"))).await.unwrap();
        let mut other = store.write.turn().await.unwrap();
        let sql = format!("CREATE TRIGGER ignored BEFORE {event} BEGIN SELECT RAISE(IGNORE); END");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *other).await.unwrap();
        other.keep();
        for leaves in [1, 2] {
            let refused = append(&store, 0, None, leaves).await;
            assert!(
                matches!(refused, Err(Error::Foreign(_))),
                "{event} {leaves}: {refused:?}"
            );
        }
        assert_eq!(store.leaves(0, 9, 9).await.unwrap().len(), 0, "{event}");
    }
}
