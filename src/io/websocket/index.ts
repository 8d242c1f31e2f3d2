export { connectWebSocket } from './connect.ts';
export { asksForWebSocket, Upgrades } from './upgrades.ts';
export { CLOSE, type WebSocketClosing, WebSocketConnection } from './websocket-connection.ts';
