//! Paths as people write them.

/// A JSON pointer as `spec.containers[0].image`, `metadata.labels["app.kubernetes.io/name"]`.
pub fn human(pointer: &str) -> String {
    let mut text = String::new();
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) {
            text.push_str(&format!("[{segment}]"));
        } else if segment
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&segment);
        } else {
            text.push_str(&format!("[{segment:?}]"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn pointers_are_shown_as_people_write_them() {
        assert_eq!(human("/spec/containers/0/image"), "spec.containers[0].image");
        assert_eq!(
            human("/metadata/labels/app.kubernetes.io~1name"),
            "metadata.labels[\"app.kubernetes.io/name\"]"
        );
    }
}
