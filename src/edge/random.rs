//! Random bytes, from the only place that has them: the runtime's Web Crypto. Not for the engine, which takes seeds.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(bytes: &mut [u8]) -> Result<JsValue, JsValue>;
}

/// `N` random bytes; `None` if the runtime refuses, which it does outside of an event.
pub fn bytes<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    get_random_values(&mut bytes).ok().map(|_| bytes)
}

/// A short random name for a request.
pub fn token() -> String {
    bytes::<12>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).unwrap_or_default()
}
