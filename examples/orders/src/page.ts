import { config } from './config.js'
import { databaseAddress } from './database.js'
import type { Order } from './orders.js'
import type { User } from './users.js'

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escape(text: unknown): string {
  return String(text).replace(/[&<>"']/g, (character) => ESCAPES[character]!)
}

/** One order as the list shows it; also what the live updates send. */
export function orderRow(order: Order): string {
  const placed = order.placedAt.toISOString()
  const state = order.shippedAt
    ? '<span class="state sent">sent</span>'
    : `<form method="post" action="/orders/${order.id}/ship" data-live><button class="quiet">Send</button></form>`
  return `<li id="order-${order.id}">
  <span class="number">#${order.id}</span>
  <span class="what"><b>${order.quantity} × ${escape(order.item)}</b> for ${escape(order.customer)}
    <small><time datetime="${placed}">${placed.slice(0, 16).replace('T', ' ')} UTC</time>, taken by <code>${escape(order.placedBy)}</code></small></span>
  ${state}
</li>`
}

export interface PageFacts {
  orders: Order[]
  users: User[] | undefined
  databaseVersion: string
  /** Where the browser sees this service. */
  url: string
  fault?: string
}

export function renderPage({ orders, users, databaseVersion, url, fault }: PageFacts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Orders</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
<script src="/live.js" defer></script>
</head>
<body>
<header>
  <h1>Orders</h1>
  <p id="live" class="live">updates when you reload</p>
</header>
<main>
  <form class="card place" method="post" action="/orders" data-live>
    <label>Customer <input name="customer" required maxlength="80" autocomplete="name" list="users" placeholder="Ada Lovelace"></label>
    <label>Item <input name="item" required maxlength="80" placeholder="Espresso beans"></label>
    <label>Quantity <input name="quantity" type="number" required min="1" max="999" value="1"></label>
    <button>Place order</button>
    <p id="fault" class="fault" role="alert">${escape(fault ?? '')}</p>
    <datalist id="users">${(users ?? []).map(({ name }) => `<option value="${escape(name)}">`).join('')}</datalist>
  </form>
  <ul id="orders" class="card orders">
${orders.map(orderRow).join('\n')}
  </ul>
  <p class="empty">No orders yet. Place the first one, or with curl:
    <code>curl -d 'customer=Ada&amp;item=Espresso beans&amp;quantity=2' ${escape(url)}/orders</code></p>
</main>
<footer>
  <dl>
    <dt>Answered by</dt><dd><code>${escape(config.replica)}</code></dd>
    <dt>Rows in</dt><dd>${escape(databaseVersion)} at <code>${escape(databaseAddress)}</code></dd>
    <dt>Customers known to user-service</dt><dd>${usersText(users)}</dd>
    <dt>As data</dt><dd><a href="/orders">/orders</a></dd>
  </dl>
</footer>
</body>
</html>
`
}

function usersText(users: User[] | undefined): string {
  if (!config.userServiceUrl) return 'not connected: <code>USER_SERVICE_URL</code> is not set'
  const link = `<a href="${escape(new URL('/users', config.userServiceUrl))}">user-service</a>`
  return users ? `${users.length}, from ${link}` : `${link} does not answer`
}
