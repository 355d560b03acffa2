import { listen } from "../../pdf/reader";

listen(() => window.close());
