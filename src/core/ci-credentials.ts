/** What a pipeline holds for deploying and for its own server. Tests run the code of a change, which nobody has read yet. */
const CREDENTIALS =
  /^(KUBECONFIG|SHIV_KUBECONFIG|SHIV_REGISTRY_.*|DOCKER_CONFIG|DOCKER_AUTH_CONFIG|CI_JOB_TOKEN|CI_JOB_JWT.*|CI_(REGISTRY|DEPLOY|DEPENDENCY_PROXY)_PASSWORD|CI_REPOSITORY_URL|GH_TOKEN|GITHUB_TOKEN|ACTIONS_(RUNTIME|ID_TOKEN_REQUEST)_TOKEN|BUILDKITE_AGENT_ACCESS_TOKEN)$/
const SECRET = /(TOKEN|PASSWORD|PASSWD|SECRET|PRIVATE_KEY|API_KEY|ACCESS_KEY|CREDENTIALS?)$/i
/** Shorter lines are of no secret's own. */
const LEAST = 8

/** An environment without the credentials that are not the services'. */
export function withoutCredentials(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !CREDENTIALS.test(name)))
}

/** Values of variables whose names say that they are secret, by lines, so that they can be taken out of output that comes by lines. */
export function secretValues(environment: NodeJS.ProcessEnv): string[] {
  return Object.entries(environment).flatMap(([name, value = '']) =>
    SECRET.test(name) || CREDENTIALS.test(name) ? value.split(/\r?\n/).filter((line) => line.length >= LEAST) : [],
  )
}
