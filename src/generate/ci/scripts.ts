import { KIND } from './pins.ts'

/**
 * Shell of both platforms: POSIX, since GitLab's image has no bash before it is installed. Nothing of a user's is in these lines: names
 * and secrets come by environment variables, and secrets go on by builtins, files and stdin, so that no process list shows one.
 */

/** Puts kind into `bin` below `folder`, a shell word in quotes; whoever calls it puts that on the PATH. */
export function installKind(folder: string): string[] {
  return [
    'case "$(uname -m)" in',
    `  x86_64) arch=amd64 sum=${KIND.amd64} ;;`,
    `  aarch64) arch=arm64 sum=${KIND.arm64} ;;`,
    '  *) echo "kind has no binary for $(uname -m)" >&2; exit 1 ;;',
    'esac',
    `mkdir -p "${folder}/bin"`,
    `curl --fail --silent --show-error --location --retry 3 --output "${folder}/bin/kind" "https://github.com/kubernetes-sigs/kind/releases/download/${KIND.version}/kind-linux-$arch"`,
    `echo "$sum  ${folder}/bin/kind" | sha256sum -c -`,
    `chmod +x "${folder}/bin/kind"`,
  ]
}

/**
 * Installs what SHIV_PACKAGE names below `folder`: a name from the registry of SHIV_NPM_REGISTRY, never from npm's own, where anybody can take it. npm is told
 * by its environment, since a global install reads no .npmrc of a project. Postgres for runs without Docker is left out.
 */
export function installShiv(folder: string, whereToSet: string): string[] {
  return [
    'if [ -z "${SHIV_PACKAGE:-}" ]; then',
    `  echo "SHIV_PACKAGE is not set: ${whereToSet}" >&2`,
    '  exit 1',
    'fi',
    'case "${SHIV_NPM_REGISTRY:-}" in',
    '  https://?*) export NPM_CONFIG_REGISTRY="$SHIV_NPM_REGISTRY" ;;',
    '  "") case "$SHIV_PACKAGE" in',
    '    https://?*) ;;',
    '    *) echo "SHIV_PACKAGE is not an https URL and SHIV_NPM_REGISTRY is not set: set SHIV_NPM_REGISTRY to the https URL of the registry that has it, or SHIV_PACKAGE to that of a tarball" >&2; exit 1 ;;',
    '  esac ;;',
    '  *) echo "SHIV_NPM_REGISTRY is not an https URL" >&2; exit 1 ;;',
    'esac',
    `npm install --global --no-audit --no-fund --omit=optional --prefix "${folder}/npm" -- "$SHIV_PACKAGE"`,
  ]
}

/** Logs in for the time of the job, in a configuration of its own; without a user nothing is done, and the registry decides. */
export function logIn(folder: string, keep: string[] = []): string[] {
  return [
    'if [ -z "${SHIV_REGISTRY_USER:-}" ]; then',
    '  echo "SHIV_REGISTRY_USER is not set: images are sent without a login"',
    'else',
    `  export DOCKER_CONFIG="${folder}/docker"`,
    '  mkdir -m 700 "$DOCKER_CONFIG"',
    // A builtin: the password is in no process list.
    `  printf '%s' "\${SHIV_REGISTRY_PASSWORD:-}" | docker login --username "$SHIV_REGISTRY_USER" --password-stdin \${SHIV_REGISTRY_HOST:+-- "$SHIV_REGISTRY_HOST"}`,
    ...keep.map((line) => `  ${line}`),
    'fi',
  ]
}

export interface ShivCi {
  /** A shell word in quotes. */
  report: string
  /** To the environment of SHIV_ENVIRONMENT, with `--yes` where `confirms`. */
  deploys: boolean
  confirms: boolean
  starts: boolean
  /** The variable that names a commit to compare with, or is empty. */
  against?: string
}

/** The line that calls `shiv ci` for a workspace in `folder`: its values come from variables. */
export function shivCi(folder: string, options: ShivCi): string {
  const words = [
    folder === '' ? 'shiv ci' : 'shiv -C "$SHIV_FOLDER" ci',
    `--report "${options.report}"`,
    options.deploys && '--env "$SHIV_ENVIRONMENT"',
    options.confirms && '--yes',
    !options.starts && '--no-start',
    options.against !== undefined && `\${${options.against}:+--against "$${options.against}"}`,
  ]
  return words.filter(Boolean).join(' ')
}

/** The host of a registry, as docker logs in to it: `registry.example.com` of `registry.example.com/team`; empty for Docker's own, which has no name there. */
export function registryHost(registry: string): string {
  const [first = ''] = registry.split('/')
  return (/[.:]/.test(first) || first === 'localhost') && first !== 'docker.io' ? first : ''
}
