// The page that Entra sends its answer to: it hands it to the page that opened the popup.
import { broadcastResponseToMainFrame } from "@azure/msal-browser/redirect-bridge";

broadcastResponseToMainFrame();
