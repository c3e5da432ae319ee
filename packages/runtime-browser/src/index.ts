/** Sotto in a browser: one module per name. */
export * as BrowserCrypto from "./BrowserCrypto.ts"
export * as BrowserKeystore from "./BrowserKeystore.ts"
export * as BrowserStore from "./BrowserStore.ts"
export * as BrowserTransport from "./BrowserTransport.ts"
export * as Database from "./Database.ts"
export * from "./open.ts"
