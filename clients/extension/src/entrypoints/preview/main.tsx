import { mount } from "../../ui/mount";
import { PreviewPage } from "../../ui/pages/preview";

mount(PreviewPage);
