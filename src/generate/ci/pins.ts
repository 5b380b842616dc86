/**
 * kind's release, by the checksums that stand beside its binaries as `kind-linux-*.sha256sum`. Who raises the version changes both.
 */
export const KIND = {
  version: 'v0.33.0',
  amd64: 'aee6151561422756b764a4ae28e7f44cda5af5a9eead3cc9985112b1de8d8e0d',
  arm64: '20022bee6cfcd5086cb7234d218e3454e6090022f2a8f55d1fa7fcf42c3867a2',
} as const

/** Node for shiv itself on runners that have several. */
export const NODE = '22'

export const RUNNER = 'ubuntu-24.04'

/** All by GitHub; each runs on Node 24, as its runners do. */
export const ACTIONS = {
  checkout: 'actions/checkout@v6',
  setupNode: 'actions/setup-node@v6',
  restoreCache: 'actions/cache/restore@v5',
  saveCache: 'actions/cache/save@v5',
  uploadArtifact: 'actions/upload-artifact@v6',
} as const

/** An Alpine with Docker's engine and client. */
export const DOCKER_IMAGE = 'docker:28-dind'
