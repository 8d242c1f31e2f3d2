export { connectWebSocket } from './connect.ts';
export { Upgrades } from './upgrades.ts';
export { type WebSocketClosing, WebSocketConnection } from './websocket-connection.ts';
