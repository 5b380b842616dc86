/** The pod network of a kind cluster. */
const POD_SUBNET = '10.244.0.0/16'

/**
 * The developer's machine as a NetworkPolicy sees it: any address that is no pod's. A connection through a NodePort keeps
 * the address it comes from until the policy has been asked, so pods stay shut out and the host comes in.
 */
export const hostPeer = { ipBlock: { cidr: '0.0.0.0/0', except: [POD_SUBNET] } }
