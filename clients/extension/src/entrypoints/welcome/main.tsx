import { mount } from "../../ui/mount";
import { Welcome } from "../../ui/pages/welcome";

mount(Welcome);
