import { mount } from "../../ui/mount";
import { ShowMe } from "../../ui/pages/show-me";

mount(ShowMe);
